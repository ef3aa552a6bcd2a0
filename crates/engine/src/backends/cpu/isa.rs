//! Which vector instructions this processor has.

/// Instructions that kernels exist for. All give the same bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isa {
    /// AVX-512 with byte products (VNNI).
    Avx512,
    /// AVX2 with fused multiply-add.
    Avx2,
    /// What every processor has; slow where it has no fused multiply-add.
    Portable,
}

impl Isa {
    /// The best that this processor has.
    #[must_use]
    pub fn detect() -> Self {
        Self::available()[0]
    }

    /// All that this processor has, the best first.
    #[must_use]
    pub fn available() -> Vec<Self> {
        let mut found = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            let avx2 = is_x86_feature_detected!("avx2")
                && is_x86_feature_detected!("fma")
                && is_x86_feature_detected!("f16c");
            let avx512 = is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512vnni");
            if avx2 && avx512 {
                found.push(Self::Avx512);
            }
            if avx2 {
                found.push(Self::Avx2);
            }
        }
        found.push(Self::Portable);
        found
    }
}

/// Defines `$name`, which runs the generic `$body` compiled for the instructions that its first argument names.
macro_rules! for_each_isa {
    ($(#[$doc:meta])* $visibility:vis fn $name:ident<T>($($argument:ident: $type:ty),* $(,)?) = $body:ident) => {
        $(#[$doc])*
        #[expect(unsafe_code, reason = "calls of functions compiled for instructions that were detected")]
        $visibility fn $name<T: $crate::backends::cpu::Float>(isa: $crate::backends::cpu::Isa, $($argument: $type),*) {
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c")]
            fn avx512<T: $crate::backends::cpu::Float>($($argument: $type),*) {
                $body::<T>($($argument),*);
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma,f16c")]
            fn avx2<T: $crate::backends::cpu::Float>($($argument: $type),*) {
                $body::<T>($($argument),*);
            }
            match isa {
                // SAFETY: `Isa::available` names what the processor was asked for and has.
                #[cfg(target_arch = "x86_64")]
                $crate::backends::cpu::Isa::Avx512 => unsafe { avx512::<T>($($argument),*) },
                // SAFETY: as above.
                #[cfg(target_arch = "x86_64")]
                $crate::backends::cpu::Isa::Avx2 => unsafe { avx2::<T>($($argument),*) },
                _ => $body::<T>($($argument),*),
            }
        }
    };
}
pub(super) use for_each_isa;
