//! TLS on both kinds of connections.

use helix_runtime::WorkerError;
use helix_runtime::net::{Security, TlsFiles};

use crate::harness::{coordinator_with, generate, plan, spawn, worker_settings};
use crate::model::{Folder, alone, random_model};

/// A certificate for 127.0.0.1, signed by an authority of its own; all in a folder.
fn certificate(folder: &Folder, name: &str, authority: &Authority) -> Security {
    let key = rcgen::KeyPair::generate().unwrap();
    let parameters = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let signed = parameters.signed_by(&key, &authority.issuer).unwrap();
    let write = |part: &str, text: &str| {
        let path = folder.path().join(format!("{name}-{part}.pem"));
        std::fs::write(&path, text).unwrap();
        path
    };
    let files = TlsFiles {
        certificate: write("certificate", &signed.pem()),
        key: write("key", &key.serialize_pem()),
        authority: write("authority", &authority.pem),
    };
    Security::from_files(&files).unwrap()
}

struct Authority {
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
    pem: String,
}

fn authority() -> Authority {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut parameters = rcgen::CertificateParams::new(Vec::new()).unwrap();
    parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let pem = parameters.self_signed(&key).unwrap().pem();
    Authority { issuer: rcgen::Issuer::new(parameters, key), pem }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_with_certificates_serves_its_members_and_nobody_else() {
    let model = random_model("protected", 1);
    let (ours, theirs) = (authority(), authority());
    let security = certificate(&model, "coordinator", &ours);
    let coordinator = coordinator_with(model.path(), plan(&[(0, 3), (3, 6)]), security).await;
    let settings = |name: &str| worker_settings(coordinator.address(), name, model.path());
    for stranger in [Security::none(), certificate(&model, "stranger", &theirs)] {
        let mut settings = settings("w0");
        (settings.security, settings.patience) = (stranger, std::time::Duration::ZERO);
        let ended = spawn(settings).task.await.unwrap();
        assert!(matches!(ended, Err(WorkerError::Unreachable { .. })), "{ended:?}");
    }
    let mut workers = Vec::new();
    for name in ["w0", "w1"] {
        let mut settings = settings(name);
        settings.security = certificate(&model, name, &ours);
        workers.push(spawn(settings));
    }
    let service = coordinator.service();
    tokio::time::timeout(std::time::Duration::from_secs(30), service.ready()).await.unwrap().unwrap();
    let prompt: Vec<u32> = (0..60).collect();
    assert_eq!(generate(&service, &prompt, 12).await, alone(model.path(), &prompt, 12));
    coordinator.stop().await;
}
