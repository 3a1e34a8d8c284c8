//! What `rocprofiler_configure` needs beyond the version.

use crate::bindings as c;
use crate::version::Layout;
use std::ffi::{CStr, c_void};

/// Tells the SDK the tool's name. The name is at one place in SDK 0.x and at another in 1.x, where writing to the wrong
/// one would overwrite the client's size or handle.
///
/// # Safety
/// `client_id` must be null or what the SDK passed to `rocprofiler_configure`, and `layout` that of the version which
/// it passed along.
pub unsafe fn set_client_name(client_id: *mut c_void, layout: Layout, name: &'static CStr) {
    if client_id.is_null() {
        return;
    }
    let name = name.as_ptr();
    match layout {
        // SAFETY: the caller holds that there is a client id of this layout.
        Layout::V0 => unsafe { (*client_id.cast::<c::rocprofiler_client_id_v0_t>()).name = name },
        // SAFETY: as above.
        Layout::V1 => unsafe { (*client_id.cast::<c::rocprofiler_client_id_v1_t>()).name = name },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_written_without_touching_its_neighbours() {
        let mut v0 = [7_u64; 2];
        // SAFETY: 16 bytes are a client id of SDK 0.x.
        unsafe { set_client_name(v0.as_mut_ptr().cast(), Layout::V0, c"tool") };
        assert_eq!((v0[0], v0[1]), (c"tool".as_ptr() as u64, 7));

        let mut v1 = [7_u64; 3];
        // SAFETY: 24 bytes are a client id of SDK 1.x.
        unsafe { set_client_name(v1.as_mut_ptr().cast(), Layout::V1, c"tool") };
        assert_eq!((v1[0], v1[1], v1[2]), (7, c"tool".as_ptr() as u64, 7));

        // SAFETY: null is accepted.
        unsafe { set_client_name(std::ptr::null_mut(), Layout::V1, c"tool") };
    }
}
