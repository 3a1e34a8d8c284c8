//! The functions of the SDK, found by name when the library is opened.
//!
//! Required ones make a tracing tool at all; they exist in every version since 0.4. Each optional one is worth one
//! feature: where a library lacks it, that feature is gone and everything else works.

use crate::bindings;
use libloading::os::unix::Library;

/// Takes the function pointer out of bindgen's `Option` of it.
pub(crate) trait OptionalFunction {
    /// The function pointer that cannot be null.
    type Required;
}

impl<F> OptionalFunction for Option<F> {
    type Required = F;
}

macro_rules! functions {
    (
        required { $($required:ident: $required_type:ident,)* }
        optional { $($optional:ident: $optional_type:ident,)* }
    ) => {
        /// What the library offers, each function under its C name.
        #[derive(Clone, Copy)]
        pub(crate) struct Functions {
            $(pub(crate) $required: <bindings::$required_type as OptionalFunction>::Required,)*
            $(pub(crate) $optional: bindings::$optional_type,)*
        }

        impl Functions {
            /// Looks every function up. The error is the name of the first required one that is missing.
            ///
            /// # Safety
            /// A function that `library` exports under a name of rocprofiler-sdk must have the type that
            /// `rocprofiler_sdk_min.h` gives it, and `library` must stay loaded as long as the table is used.
            pub(crate) unsafe fn resolve(library: &Library) -> Result<Self, &'static str> {
                Ok(Self {
                    $(
                        // SAFETY: the caller holds that the symbol has this type; a null pointer becomes `None`.
                        $required: unsafe {
                            find::<bindings::$required_type>(library, concat!(stringify!($required), "\0"))
                        }
                        .flatten()
                        .ok_or(stringify!($required))?,
                    )*
                    $(
                        // SAFETY: as above.
                        $optional: unsafe {
                            find::<bindings::$optional_type>(library, concat!(stringify!($optional), "\0"))
                        }
                        .flatten(),
                    )*
                })
            }

            /// The optional functions that the library lacks.
            pub(crate) fn absent(&self) -> Vec<&'static str> {
                let found = [$(self.$optional.is_some()),*];
                crate::Sdk::OPTIONAL.iter().zip(found).filter(|(_, found)| !found).map(|(name, _)| *name).collect()
            }
        }

        impl crate::Sdk {
            /// The functions without which a library is refused.
            pub const REQUIRED: &[&str] = &[$(stringify!($required)),*];
            /// The functions that a library may lack.
            pub const OPTIONAL: &[&str] = &[$(stringify!($optional)),*];
        }
    };
}

functions! {
    required {
        rocprofiler_get_version: rocprofiler_get_version_fn,
        rocprofiler_create_context: rocprofiler_create_context_fn,
        rocprofiler_start_context: rocprofiler_start_context_fn,
        rocprofiler_stop_context: rocprofiler_stop_context_fn,
        rocprofiler_configure_callback_tracing_service: rocprofiler_configure_callback_tracing_service_fn,
        rocprofiler_query_callback_tracing_kind_name: rocprofiler_query_callback_tracing_kind_name_fn,
    }
    optional {
        rocprofiler_get_status_name: rocprofiler_get_status_name_fn,
        rocprofiler_get_timestamp: rocprofiler_get_timestamp_fn,
        rocprofiler_get_thread_id: rocprofiler_get_thread_id_fn,
        rocprofiler_context_is_active: rocprofiler_context_is_active_fn,
        rocprofiler_context_is_valid: rocprofiler_context_is_valid_fn,
        rocprofiler_query_available_agents: rocprofiler_query_available_agents_fn,
        rocprofiler_query_callback_tracing_kind_operation_name:
            rocprofiler_query_callback_tracing_kind_operation_name_fn,
        rocprofiler_iterate_callback_tracing_kind_operations:
            rocprofiler_iterate_callback_tracing_kind_operations_fn,
        rocprofiler_push_external_correlation_id: rocprofiler_push_external_correlation_id_fn,
        rocprofiler_pop_external_correlation_id: rocprofiler_pop_external_correlation_id_fn,
        rocprofiler_at_internal_thread_create: rocprofiler_at_internal_thread_create_fn,
        rocprofiler_is_finalized: rocprofiler_is_finalized_fn,
    }
}

/// Looks one symbol up.
///
/// # Safety
/// The symbol, if there is one, must have the type `F`.
unsafe fn find<F: Copy>(library: &Library, name: &'static str) -> Option<F> {
    // SAFETY: the caller holds that the symbol has the type `F`.
    unsafe { library.get::<F>(name.as_bytes()) }.ok().map(|symbol| *symbol)
}
