//! Unpacking from outside: spaces, repair, folders that cannot be written, several at once.

use std::fs;
use std::path::Path;

use helix_builtin::{FILES, Surroundings, places, unpack_into};

fn assert_whole(folder: &Path) {
    let mut found: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    found.sort();
    assert_eq!(found, FILES.map(|(name, _)| name), "the files of the model and nothing else");
    for (name, content) in FILES {
        assert!(fs::read(folder.join(name)).unwrap() == content, "{name}");
    }
}

#[test]
fn a_path_with_spaces_is_made_and_used_again() {
    let temporary = tempfile::tempdir().unwrap();
    let cache = temporary.path().join("a cache with spaces").join("ünd Umlaut");
    let folder = unpack_into(&cache).unwrap();
    assert_whole(&folder);
    let written = fs::metadata(folder.join("model.safetensors")).unwrap().modified().unwrap();
    assert_eq!(unpack_into(&cache).unwrap(), folder);
    let unchanged = fs::metadata(folder.join("model.safetensors")).unwrap().modified().unwrap();
    assert_eq!(written, unchanged, "what is right is not written again");
}

#[test]
fn whatever_is_wrong_with_an_earlier_copy_is_repaired() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = unpack_into(temporary.path()).unwrap();
    let path = |name: &str| folder.join(name);
    let weights = fs::read(path("model.safetensors")).unwrap();
    fs::write(path("model.safetensors"), &weights[..weights.len() / 2]).unwrap();
    fs::write(path("config.json"), "").unwrap();
    fs::remove_file(path("tokenizer.json")).unwrap();
    let mut flipped = fs::read(path("tokenizer_config.json")).unwrap();
    flipped[10] ^= 1;
    fs::write(path("tokenizer_config.json"), flipped).unwrap();
    assert_eq!(unpack_into(temporary.path()).unwrap(), folder);
    assert_whole(&folder);
}

#[test]
fn many_at_once_leave_one_whole_copy() {
    let temporary = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..8).map(|_| scope.spawn(|| unpack_into(temporary.path()).unwrap())).collect();
        for one in all {
            one.join().unwrap();
        }
    });
    assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 1);
    assert_whole(&unpack_into(temporary.path()).unwrap());
}

/// A superuser may write everywhere, so there the refusal cannot be seen; what is read only and whole is used anyway.
#[cfg(unix)]
#[test]
fn a_read_only_cache_is_used_when_whole_and_an_error_when_not() {
    use std::os::unix::fs::PermissionsExt as _;
    let temporary = tempfile::tempdir().unwrap();
    let folder = unpack_into(temporary.path()).unwrap();
    let set = |mode| fs::set_permissions(&folder, fs::Permissions::from_mode(mode)).unwrap();
    set(0o555);
    assert_eq!(unpack_into(temporary.path()).unwrap(), folder);
    set(0o755);
    fs::remove_file(folder.join("config.json")).unwrap();
    set(0o555);
    let superuser = fs::write(folder.join("probe"), "").is_ok();
    let again = unpack_into(temporary.path());
    set(0o755);
    if superuser {
        println!("skipped: this user may write to read-only folders");
    } else {
        let error = again.unwrap_err().to_string();
        assert!(error.contains("config.json") && error.contains("HELIX_CACHE_DIR"), "{error}");
    }
}

#[test]
fn a_file_where_the_folder_should_be_is_an_error_with_its_path() {
    let temporary = tempfile::tempdir().unwrap();
    fs::write(temporary.path().join(helix_builtin::folder_name()), "in the way").unwrap();
    let error = unpack_into(temporary.path()).unwrap_err().to_string();
    assert!(error.contains(&helix_builtin::folder_name()), "{error}");
}

#[test]
fn places_come_in_order_and_relative_ones_are_none() {
    let all = Surroundings {
        helix_cache: None,
        cache_home: Some("/var/cache/me".into()),
        home: Some("/home/me".into()),
    };
    assert_eq!(places(&all), [Path::new("/var/cache/me/helix"), Path::new("/home/me/.cache/helix")]);
    assert_eq!(
        places(&Surroundings { helix_cache: Some("here".into()), ..all.clone() }),
        [Path::new("here")]
    );
    assert_eq!(places(&Surroundings { helix_cache: Some("".into()), ..all.clone() }), places(&all));
    let relative =
        Surroundings { cache_home: Some("cache".into()), home: Some("".into()), ..Surroundings::default() };
    assert!(places(&relative).is_empty());
    assert!(places(&Surroundings::default()).is_empty());
}

/// The limits that the repository sets itself: 2 to 6 MB, and a model that says what it is.
#[test]
fn the_model_has_the_size_and_the_shape_that_its_readme_says() {
    let size: usize = FILES.iter().map(|(_, content)| content.len()).sum();
    assert!((2_000_000..6_000_000).contains(&size), "{size}");
    let config = std::str::from_utf8(FILES[0].1).unwrap();
    for line in
        ["\"num_hidden_layers\": 8", "\"hidden_size\": 128", "\"vocab_size\": 768", "\"LlamaForCausalLM\""]
    {
        assert!(config.contains(line), "{line}");
    }
}
