/*
 * The part of the rocprofiler-sdk C ABI that a tracing tool needs, for SDK 0.4 (ROCm 6.2) to 1.3 on x86_64 Linux.
 *
 * This header declares facts about a binary interface and stands in for no other header: it is written from the
 * layouts and calls of the released libraries, so that this project builds where no ROCm is installed.
 *
 * Three rules keep one tool binary valid for every version:
 *
 *  1. A type whose layout differs between SDK 0.x and 1.x has two names here, `..._v0_t` and `..._v1_t`. There is no
 *     name for "the current one". Which of the two applies follows from the version number that the SDK passes to
 *     rocprofiler_configure (10000 * major + 100 * minor + patch): below 10000 is v0, below 20000 is v1.
 *  2. Functions are given as types, `NAME_fn` for the function NAME, never as symbols. All of them are looked up at
 *     run time; a reference that the linker would have to resolve cannot arise by accident.
 *  3. Only enumerators that mean the same in every version are named. What moved (most status codes) or got different
 *     numbers in different branches (callback kinds above 21) is asked of the library by name.
 *
 * Structures with a `size` as their first member grow at the tail. The library sets `size` to what it knows: read a
 * member only if `size` covers it, and never test `size` for equality.
 *
 * The Rust bindings are generated from this file (`src/bindings.rs`, feature `bindgen`).
 */
#ifndef ROCPROFILER_SDK_MIN_H
#define ROCPROFILER_SDK_MIN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ------------------------------------------------------------------------------------------------- basic types -- */

/// Result of nearly every call. Only zero is compared; `rocprofiler_get_status_name` puts the others into words.
/// The values 0 to 12 mean the same in every version, those above moved by one between 0.4 and 0.5.
typedef enum rocprofiler_status_t {
    ROCPROFILER_STATUS_SUCCESS = 0,
    ROCPROFILER_STATUS_ERROR = 1,
    ROCPROFILER_STATUS_ERROR_CONTEXT_NOT_FOUND = 2,
    ROCPROFILER_STATUS_ERROR_BUFFER_NOT_FOUND = 3,
    ROCPROFILER_STATUS_ERROR_KIND_NOT_FOUND = 4,
    ROCPROFILER_STATUS_ERROR_OPERATION_NOT_FOUND = 5,
    ROCPROFILER_STATUS_ERROR_THREAD_NOT_FOUND = 6,
    ROCPROFILER_STATUS_ERROR_AGENT_NOT_FOUND = 7,
    ROCPROFILER_STATUS_ERROR_COUNTER_NOT_FOUND = 8,
    ROCPROFILER_STATUS_ERROR_CONTEXT_ERROR = 9,
    ROCPROFILER_STATUS_ERROR_CONTEXT_INVALID = 10,
    ROCPROFILER_STATUS_ERROR_CONTEXT_NOT_STARTED = 11,
    ROCPROFILER_STATUS_ERROR_CONTEXT_CONFLICT = 12,
} rocprofiler_status_t;

/// Nanoseconds of CLOCK_BOOTTIME.
typedef uint64_t rocprofiler_timestamp_t;
/// An operating system thread id, as of gettid.
typedef uint64_t rocprofiler_thread_id_t;
/// Index of an operation within its tracing kind.
typedef int32_t rocprofiler_tracing_operation_t;
/// A device kernel symbol; 0 is a kernel object loaded before the SDK could see it. Never reused in a process.
typedef uint64_t rocprofiler_kernel_id_t;
/// Counts dispatches of the process from 1, in the order of enqueueing.
typedef uint64_t rocprofiler_dispatch_id_t;

/// A context: a set of services that starts and stops together. Must be 0 before `rocprofiler_create_context`.
typedef struct rocprofiler_context_id_t {
    uint64_t handle;
} rocprofiler_context_id_t;

/// An agent (a CPU or GPU). The base differs from process to process.
typedef struct rocprofiler_agent_id_t {
    uint64_t handle;
} rocprofiler_agent_id_t;

/// An HSA queue. HIP's internal queues take numbers as well.
typedef struct rocprofiler_queue_id_t {
    uint64_t handle;
} rocprofiler_queue_id_t;

/// A value of the tool that the SDK carries along.
typedef union rocprofiler_user_data_t {
    uint64_t value;
    void *ptr;
} rocprofiler_user_data_t;

/// A device or host address (0.6+).
typedef union rocprofiler_address_t {
    uint64_t handle;
    const void *ptr;
} rocprofiler_address_t;

/// Extent in three dimensions.
typedef struct rocprofiler_dim3_t {
    uint32_t x;
    uint32_t y;
    uint32_t z;
} rocprofiler_dim3_t;

/// Correlation of a record with its cause, SDK 0.x.
typedef struct rocprofiler_correlation_id_v0_t {
    /// Of the innermost traced operation on the thread, else a fresh one.
    uint64_t internal;
    /// What the tool pushed for the thread and context.
    rocprofiler_user_data_t external;
} rocprofiler_correlation_id_v0_t;

/// Correlation of a record with its cause, SDK 1.x.
typedef struct rocprofiler_correlation_id_v1_t {
    /// Of the innermost traced operation on the thread, else a fresh one.
    uint64_t internal;
    /// What the tool pushed for the thread and context.
    rocprofiler_user_data_t external;
    /// `internal` of the enclosing operation, or 0.
    uint64_t ancestor;
} rocprofiler_correlation_id_v1_t;

/* --------------------------------------------------------------------------------- versions, states, the clock -- */

/// Each pointer may be NULL. Callable at any time.
typedef rocprofiler_status_t rocprofiler_get_version_fn(uint32_t *major, uint32_t *minor, uint32_t *patch);
typedef rocprofiler_status_t rocprofiler_get_timestamp_fn(rocprofiler_timestamp_t *timestamp);
typedef rocprofiler_status_t rocprofiler_get_thread_id_fn(rocprofiler_thread_id_t *thread_id);
/// A static string, or NULL for a value unknown to the library.
typedef const char *rocprofiler_get_status_name_fn(rocprofiler_status_t status);
/// A static sentence, or NULL for a value unknown to the library.
typedef const char *rocprofiler_get_status_string_fn(rocprofiler_status_t status);
/// 0 not yet, -1 while the tools' `initialize` run, 1 done.
typedef rocprofiler_status_t rocprofiler_is_initialized_fn(int *state);
/// 0 no, -1 finalizing, 1 done.
typedef rocprofiler_status_t rocprofiler_is_finalized_fn(int *state);

/* ------------------------------------------------------------------------------------------------ registration -- */

/// Names a tool to the SDK, 0.x: the tool writes `name`. Passed by value in two registers.
typedef struct rocprofiler_client_id_v0_t {
    const char *name;
    uint32_t handle;
} rocprofiler_client_id_v0_t;

/// Names a tool to the SDK, 1.x: the tool writes `name`. Passed by value on the stack.
typedef struct rocprofiler_client_id_v1_t {
    size_t size;
    const char *name;
    uint32_t handle;
} rocprofiler_client_id_v1_t;

/// Finalizes this client now; with a single client, the whole SDK.
typedef void (*rocprofiler_client_finalize_v0_t)(rocprofiler_client_id_v0_t client);
/// Finalizes this client now; with a single client, the whole SDK.
typedef void (*rocprofiler_client_finalize_v1_t)(rocprofiler_client_id_v1_t client);
/// Either of the two above: cast it to the one of the layout before calling it.
typedef void (*rocprofiler_client_finalize_t)(void);

/// The only time at which contexts and services can be configured. The SDK ignores the value returned.
typedef int (*rocprofiler_tool_initialize_t)(rocprofiler_client_finalize_t finalize, void *tool_data);
/// Runs once, from the SDK's atexit handler; not at all if the process ends by _exit or a signal.
typedef void (*rocprofiler_tool_finalize_t)(void *tool_data);

/// What a tool answers to `rocprofiler_configure`; the SDK copies it at once.
typedef struct rocprofiler_tool_configure_result_t {
    /// sizeof this, 32.
    size_t size;
    rocprofiler_tool_initialize_t initialize;
    rocprofiler_tool_finalize_t finalize;
    void *tool_data;
} rocprofiler_tool_configure_result_t;

/// Exported by a tool under the name `rocprofiler_configure`. NULL declines. `client_id` points to a
/// rocprofiler_client_id_v0_t or _v1_t, as `version` says.
typedef rocprofiler_tool_configure_result_t *rocprofiler_configure_fn(uint32_t version, const char *runtime_version,
                                                                      uint32_t priority, void *client_id);

/// Asks to be detached; given to `tool_attach`. Only SDK 1.1 and later attach, so the client id has their layout.
typedef void (*rocprofiler_client_detach_t)(rocprofiler_client_id_v1_t client);
/// A session begins: after `initialize` the first time, alone each time that the tool is attached again. `context_ids` are
/// the tool's contexts.
typedef int (*rocprofiler_tool_attach_t)(rocprofiler_client_detach_t detach, rocprofiler_context_id_t *context_ids,
                                         uint64_t context_ids_length, void *tool_data);
/// A session ends; the tool stays loaded and may be attached again.
typedef void (*rocprofiler_tool_detach_t)(void *tool_data);

/// What a tool answers to `rocprofiler_configure_attach` (SDK 1.1 and later, experimental).
typedef struct rocprofiler_tool_configure_attach_result_t {
    /// sizeof this, 32.
    size_t size;
    rocprofiler_tool_attach_t tool_attach;
    rocprofiler_tool_detach_t tool_detach;
    void *tool_data;
} rocprofiler_tool_configure_attach_result_t;

/// Exported by a tool under the name `rocprofiler_configure_attach`, and called after `rocprofiler_configure` and before
/// `initialize` where the tool is attached to a running process. The arguments are those of `rocprofiler_configure`.
typedef rocprofiler_tool_configure_attach_result_t *
rocprofiler_configure_attach_fn(uint32_t version, const char *runtime_version, uint32_t priority, void *client_id);

/// Exported by the SDK under the name `rocprofiler_set_api_table`, called by rocprofiler-register when a runtime
/// initializes; the first call starts the SDK. `name` is hsa, hip, hip_compiler or roctx, among others.
typedef int rocprofiler_set_api_table_fn(const char *name, uint64_t version, uint64_t instance, void **tables,
                                         uint64_t num_tables);

/// Runs the whole initialization now, on this thread, if it has not begun.
typedef rocprofiler_status_t rocprofiler_force_configure_fn(rocprofiler_configure_fn *configure);

/* -------------------------------------------------------------------------------------------- internal threads -- */

/// Bits that say on whose behalf a thread is created.
typedef enum rocprofiler_runtime_library_t {
    ROCPROFILER_LIBRARY = 1,
    ROCPROFILER_HSA_LIBRARY = 2,
    ROCPROFILER_HIP_LIBRARY = 4,
    ROCPROFILER_MARKER_LIBRARY = 8,
} rocprofiler_runtime_library_t;

typedef void (*rocprofiler_internal_thread_library_cb_t)(rocprofiler_runtime_library_t library, void *data);

/// Both callbacks run on the thread that creates another one for the SDK. `libraries` 0 means all.
typedef rocprofiler_status_t
rocprofiler_at_internal_thread_create_fn(rocprofiler_internal_thread_library_cb_t before,
                                         rocprofiler_internal_thread_library_cb_t after, int libraries, void *data);

/* ---------------------------------------------------------------------------------------------------- contexts -- */

typedef rocprofiler_status_t rocprofiler_create_context_fn(rocprofiler_context_id_t *context);
typedef rocprofiler_status_t rocprofiler_start_context_fn(rocprofiler_context_id_t context);
/// Also an error if the context is not active.
typedef rocprofiler_status_t rocprofiler_stop_context_fn(rocprofiler_context_id_t context);
typedef rocprofiler_status_t rocprofiler_context_is_active_fn(rocprofiler_context_id_t context, int *active);
typedef rocprofiler_status_t rocprofiler_context_is_valid_fn(rocprofiler_context_id_t context, int *valid);

/* ------------------------------------------------------------------------------------------------------ agents -- */

typedef enum rocprofiler_agent_type_t {
    ROCPROFILER_AGENT_TYPE_NONE = 0,
    ROCPROFILER_AGENT_TYPE_CPU = 1,
    ROCPROFILER_AGENT_TYPE_GPU = 2,
} rocprofiler_agent_type_t;

typedef enum rocprofiler_agent_version_t {
    ROCPROFILER_AGENT_INFO_VERSION_0 = 1,
} rocprofiler_agent_version_t;

/// A CPU or GPU as the kernel driver's topology describes it: the 296 bytes that every version has. SDK 0.6 put
/// `runtime_visibility` into the padding and appended a uuid, of 8 bytes (size 304) or later 16 (size 312 and more).
typedef struct rocprofiler_agent_v0_t {
    uint64_t size;
    rocprofiler_agent_id_t id;
    rocprofiler_agent_type_t type;
    uint32_t cpu_cores_count;
    uint32_t simd_count;
    uint32_t mem_banks_count;
    uint32_t caches_count;
    uint32_t io_links_count;
    uint32_t cpu_core_id_base;
    uint32_t simd_id_base;
    uint32_t max_waves_per_simd;
    uint32_t lds_size_in_kb;
    uint32_t gds_size_in_kb;
    uint32_t num_gws;
    uint32_t wave_front_size;
    uint32_t num_xcc;
    uint32_t cu_count;
    uint32_t array_count;
    uint32_t num_shader_banks;
    uint32_t simd_arrays_per_engine;
    uint32_t cu_per_simd_array;
    uint32_t simd_per_cu;
    uint32_t max_slots_scratch_cu;
    /// Decimal: 90402 is gfx942, 90500 is gfx950.
    uint32_t gfx_target_version;
    uint16_t vendor_id;
    uint16_t device_id;
    uint32_t location_id;
    uint32_t domain;
    uint32_t drm_render_minor;
    uint32_t num_sdma_engines;
    uint32_t num_sdma_xgmi_engines;
    uint32_t num_sdma_queues_per_engine;
    uint32_t num_cp_queues;
    uint32_t max_engine_clk_ccompute;
    uint32_t max_engine_clk_fcompute;
    /// Bit fields of the driver, not taken apart here.
    uint32_t sdma_fw_version;
    uint32_t fw_version;
    uint32_t capability;
    uint32_t cu_per_engine;
    uint32_t max_waves_per_cu;
    uint32_t family_id;
    uint32_t workgroup_max_size;
    uint32_t grid_max_size;
    uint64_t local_mem_size;
    uint64_t hive_id;
    uint64_t gpu_id;
    rocprofiler_dim3_t workgroup_max_dim;
    rocprofiler_dim3_t grid_max_dim;
    const void *mem_banks;
    const void *caches;
    const void *io_links;
    /// The instruction set for a GPU, such as gfx942.
    const char *name;
    const char *vendor_name;
    const char *product_name;
    const char *model_name;
    /// Of the kernel driver's topology, CPUs included.
    uint32_t node_id;
    /// Counts agents of all types from 0.
    int32_t logical_node_id;
    /// Counts agents of its own type from 0.
    int32_t logical_node_type_id;
    /// Padding up to SDK 0.5.
    uint32_t runtime_visibility;
} rocprofiler_agent_v0_t;

/// What it returns becomes the query's result. The agents stay valid until the tool is finalized.
typedef rocprofiler_status_t (*rocprofiler_query_available_agents_cb_t)(rocprofiler_agent_version_t version,
                                                                        const void **agents, size_t num_agents,
                                                                        void *user_data);

/// Calls back before it returns. An `agent_size` above the library's own is refused: 296 is accepted by all.
typedef rocprofiler_status_t rocprofiler_query_available_agents_fn(rocprofiler_agent_version_t version,
                                                                   rocprofiler_query_available_agents_cb_t callback,
                                                                   size_t agent_size, void *user_data);

/* -------------------------------------------------------------------------------------------- callback tracing -- */

typedef enum rocprofiler_callback_phase_t {
    ROCPROFILER_CALLBACK_PHASE_NONE = 0,
    ROCPROFILER_CALLBACK_PHASE_ENTER = 1,
    ROCPROFILER_CALLBACK_PHASE_LOAD = 1,
    ROCPROFILER_CALLBACK_PHASE_EXIT = 2,
    ROCPROFILER_CALLBACK_PHASE_UNLOAD = 2,
} rocprofiler_callback_phase_t;

/// What can be traced. An older library lacks the higher ones, and being configured with a kind that it lacks ends
/// the process: ask `rocprofiler_query_callback_tracing_kind_name` first.
typedef enum rocprofiler_callback_tracing_kind_t {
    ROCPROFILER_CALLBACK_TRACING_NONE = 0,
    ROCPROFILER_CALLBACK_TRACING_HSA_CORE_API = 1,
    ROCPROFILER_CALLBACK_TRACING_HSA_AMD_EXT_API = 2,
    ROCPROFILER_CALLBACK_TRACING_HSA_IMAGE_EXT_API = 3,
    ROCPROFILER_CALLBACK_TRACING_HSA_FINALIZE_EXT_API = 4,
    ROCPROFILER_CALLBACK_TRACING_HIP_RUNTIME_API = 5,
    ROCPROFILER_CALLBACK_TRACING_HIP_COMPILER_API = 6,
    ROCPROFILER_CALLBACK_TRACING_MARKER_CORE_API = 7,
    ROCPROFILER_CALLBACK_TRACING_MARKER_CONTROL_API = 8,
    ROCPROFILER_CALLBACK_TRACING_MARKER_NAME_API = 9,
    ROCPROFILER_CALLBACK_TRACING_CODE_OBJECT = 10,
    ROCPROFILER_CALLBACK_TRACING_SCRATCH_MEMORY = 11,
    ROCPROFILER_CALLBACK_TRACING_KERNEL_DISPATCH = 12,
    ROCPROFILER_CALLBACK_TRACING_MEMORY_COPY = 13,
    /// 0.5+
    ROCPROFILER_CALLBACK_TRACING_RCCL_API = 14,
    /// 0.6+
    ROCPROFILER_CALLBACK_TRACING_OMPT = 15,
    /// 0.6+
    ROCPROFILER_CALLBACK_TRACING_MEMORY_ALLOCATION = 16,
    /// 0.6+
    ROCPROFILER_CALLBACK_TRACING_RUNTIME_INITIALIZATION = 17,
    /// 0.6+
    ROCPROFILER_CALLBACK_TRACING_ROCDECODE_API = 18,
    /// 1.0+
    ROCPROFILER_CALLBACK_TRACING_ROCJPEG_API = 19,
    /// 1.0+
    ROCPROFILER_CALLBACK_TRACING_HIP_STREAM = 20,
    /// 1.0+
    ROCPROFILER_CALLBACK_TRACING_MARKER_CORE_RANGE_API = 21,
} rocprofiler_callback_tracing_kind_t;

/// What a tracing callback is given, SDK 0.x: 56 bytes, by value on the stack.
typedef struct rocprofiler_callback_tracing_record_v0_t {
    rocprofiler_context_id_t context_id;
    /// The thread that caused it, whichever thread the callback runs on.
    rocprofiler_thread_id_t thread_id;
    rocprofiler_correlation_id_v0_t correlation_id;
    rocprofiler_callback_tracing_kind_t kind;
    rocprofiler_tracing_operation_t operation;
    rocprofiler_callback_phase_t phase;
    /// The kind's data, valid during the callback only.
    void *payload;
} rocprofiler_callback_tracing_record_v0_t;

/// What a tracing callback is given, SDK 1.x: 64 bytes, by value on the stack.
typedef struct rocprofiler_callback_tracing_record_v1_t {
    rocprofiler_context_id_t context_id;
    /// The thread that caused it, whichever thread the callback runs on.
    rocprofiler_thread_id_t thread_id;
    rocprofiler_correlation_id_v1_t correlation_id;
    rocprofiler_callback_tracing_kind_t kind;
    rocprofiler_tracing_operation_t operation;
    rocprofiler_callback_phase_t phase;
    /// The kind's data, valid during the callback only.
    void *payload;
} rocprofiler_callback_tracing_record_v1_t;

/// `user_data` lives as long as the operation: what ENTER writes, EXIT (and a dispatch's COMPLETE) reads.
typedef void (*rocprofiler_callback_tracing_cb_v0_t)(rocprofiler_callback_tracing_record_v0_t record,
                                                     rocprofiler_user_data_t *user_data, void *callback_data);
/// `user_data` lives as long as the operation: what ENTER writes, EXIT (and a dispatch's COMPLETE) reads.
typedef void (*rocprofiler_callback_tracing_cb_v1_t)(rocprofiler_callback_tracing_record_v1_t record,
                                                     rocprofiler_user_data_t *user_data, void *callback_data);
/// Either of the two above. The library calls it with the record of its own layout.
typedef void (*rocprofiler_callback_tracing_cb_t)(void);

/// `operations` NULL means all. Once for each context and kind, and only during `initialize`.
typedef rocprofiler_status_t rocprofiler_configure_callback_tracing_service_fn(
    rocprofiler_context_id_t context, rocprofiler_callback_tracing_kind_t kind,
    const rocprofiler_tracing_operation_t *operations, size_t num_operations,
    rocprofiler_callback_tracing_cb_t callback, void *callback_data);

/// A static name without prefix, such as KERNEL_DISPATCH; an error for a kind that the library lacks.
typedef rocprofiler_status_t
rocprofiler_query_callback_tracing_kind_name_fn(rocprofiler_callback_tracing_kind_t kind, const char **name,
                                                uint64_t *name_len);

/// A static name without prefix, such as hipGraphLaunch.
typedef rocprofiler_status_t
rocprofiler_query_callback_tracing_kind_operation_name_fn(rocprofiler_callback_tracing_kind_t kind,
                                                          rocprofiler_tracing_operation_t operation,
                                                          const char **name, uint64_t *name_len);

/// A non-zero return ends the iteration.
typedef int (*rocprofiler_callback_tracing_kind_cb_t)(rocprofiler_callback_tracing_kind_t kind, void *data);
/// A non-zero return ends the iteration.
typedef int (*rocprofiler_callback_tracing_kind_operation_cb_t)(rocprofiler_callback_tracing_kind_t kind,
                                                                rocprofiler_tracing_operation_t operation,
                                                                void *data);

typedef rocprofiler_status_t
rocprofiler_iterate_callback_tracing_kinds_fn(rocprofiler_callback_tracing_kind_cb_t callback, void *data);

typedef rocprofiler_status_t
rocprofiler_iterate_callback_tracing_kind_operations_fn(rocprofiler_callback_tracing_kind_t kind,
                                                        rocprofiler_callback_tracing_kind_operation_cb_t callback,
                                                        void *data);

/* ---------------------------------------------------------------------- kind CODE_OBJECT: what can be launched -- */

/// Phase LOAD at hsa_executable_freeze, UNLOAD at its destruction and before tools are finalized. Only a context
/// that is active at the freeze is told.
typedef enum rocprofiler_code_object_operation_t {
    ROCPROFILER_CODE_OBJECT_LOAD = 1,
    ROCPROFILER_CODE_OBJECT_DEVICE_KERNEL_SYMBOL_REGISTER = 2,
    /// Since 0.6; with phase LOAD only.
    ROCPROFILER_CODE_OBJECT_HOST_KERNEL_SYMBOL_REGISTER = 3,
} rocprofiler_code_object_operation_t;

typedef enum rocprofiler_code_object_storage_type_t {
    ROCPROFILER_CODE_OBJECT_STORAGE_TYPE_NONE = 0,
    ROCPROFILER_CODE_OBJECT_STORAGE_TYPE_FILE = 1,
    ROCPROFILER_CODE_OBJECT_STORAGE_TYPE_MEMORY = 2,
} rocprofiler_code_object_storage_type_t;

/// Payload of ROCPROFILER_CODE_OBJECT_LOAD, 88 bytes in every version.
typedef struct rocprofiler_callback_tracing_code_object_load_data_t {
    uint64_t size;
    uint64_t code_object_id;
    rocprofiler_agent_id_t agent_id;
    uint64_t hsa_agent;
    /// file:// or memory://
    const char *uri;
    uint64_t load_base;
    uint64_t load_size;
    int64_t load_delta;
    rocprofiler_code_object_storage_type_t storage_type;
    /// For storage FILE the first 4 bytes are a file descriptor, not an address.
    uint64_t memory_base;
    uint64_t memory_size;
} rocprofiler_callback_tracing_code_object_load_data_t;

/// Payload of ROCPROFILER_CODE_OBJECT_DEVICE_KERNEL_SYMBOL_REGISTER: the 72 bytes that every version has.
typedef struct rocprofiler_callback_tracing_code_object_kernel_symbol_register_data_t {
    uint64_t size;
    rocprofiler_kernel_id_t kernel_id;
    uint64_t code_object_id;
    /// The symbol as it stands in the code object: mangled, with the suffix ".kd".
    const char *kernel_name;
    uint64_t kernel_object;
    uint32_t kernarg_segment_size;
    uint32_t kernarg_segment_alignment;
    uint32_t group_segment_size;
    uint32_t private_segment_size;
    uint32_t sgpr_count;
    uint32_t arch_vgpr_count;
    uint32_t accum_vgpr_count;
} rocprofiler_callback_tracing_code_object_kernel_symbol_register_data_t;

/// Payload of ROCPROFILER_CODE_OBJECT_HOST_KERNEL_SYMBOL_REGISTER: which kernel the host launches by which address.
typedef struct rocprofiler_callback_tracing_code_object_host_kernel_symbol_register_data_t {
    uint64_t size;
    uint64_t host_function_id;
    uint64_t kernel_id;
    uint64_t code_object_id;
    /// The stub that a launch with <<<>>> passes to hipLaunchKernel.
    rocprofiler_address_t host_function;
    rocprofiler_address_t modules;
    const char *device_function;
    uint32_t thread_limit;
    rocprofiler_dim3_t thread_ids;
    rocprofiler_dim3_t block_ids;
    rocprofiler_dim3_t block_dims;
    rocprofiler_dim3_t grid_dims;
    uint64_t workgroup_size;
} rocprofiler_callback_tracing_code_object_host_kernel_symbol_register_data_t;

/* ---------------------------------------------------------------------------------------- kind KERNEL_DISPATCH -- */

/// ENQUEUE comes with phases ENTER and EXIT on the launching thread, COMPLETE with phase NONE on a thread of the
/// runtime, out of order, and is the only one with times.
typedef enum rocprofiler_kernel_dispatch_operation_t {
    ROCPROFILER_KERNEL_DISPATCH_ENQUEUE = 1,
    ROCPROFILER_KERNEL_DISPATCH_COMPLETE = 2,
} rocprofiler_kernel_dispatch_operation_t;

/// One launch of a kernel. 128 bytes in every version; its `size` is 72, what is used of them.
typedef struct rocprofiler_kernel_dispatch_info_t {
    uint64_t size;
    rocprofiler_agent_id_t agent_id;
    rocprofiler_queue_id_t queue_id;
    rocprofiler_kernel_id_t kernel_id;
    rocprofiler_dispatch_id_t dispatch_id;
    /// Bytes of scratch for each work-item.
    uint32_t private_segment_size;
    /// Bytes of LDS for each workgroup, dynamic ones included.
    uint32_t group_segment_size;
    /// In work-items.
    rocprofiler_dim3_t workgroup_size;
    /// In work-items, not in workgroups.
    rocprofiler_dim3_t grid_size;
    uint8_t reserved_padding[56];
} rocprofiler_kernel_dispatch_info_t;

/// Payload of KERNEL_DISPATCH: the 152 bytes that every version has.
typedef struct rocprofiler_callback_tracing_kernel_dispatch_data_t {
    uint64_t size;
    /// 0 but for COMPLETE.
    rocprofiler_timestamp_t start_timestamp;
    /// 0 but for COMPLETE.
    rocprofiler_timestamp_t end_timestamp;
    rocprofiler_kernel_dispatch_info_t dispatch_info;
} rocprofiler_callback_tracing_kernel_dispatch_data_t;

/* -------------------------------------------------------------------------------------------- kind MEMORY_COPY -- */

typedef enum rocprofiler_memory_copy_operation_t {
    ROCPROFILER_MEMORY_COPY_HOST_TO_HOST = 1,
    ROCPROFILER_MEMORY_COPY_HOST_TO_DEVICE = 2,
    ROCPROFILER_MEMORY_COPY_DEVICE_TO_HOST = 3,
    ROCPROFILER_MEMORY_COPY_DEVICE_TO_DEVICE = 4,
} rocprofiler_memory_copy_operation_t;

/// Payload of MEMORY_COPY, SDK 0.x. Phase EXIT, on a thread of the runtime, has the times.
typedef struct rocprofiler_callback_tracing_memory_copy_data_v0_t {
    uint64_t size;
    rocprofiler_timestamp_t start_timestamp;
    rocprofiler_timestamp_t end_timestamp;
    rocprofiler_agent_id_t dst_agent_id;
    rocprofiler_agent_id_t src_agent_id;
    uint64_t bytes;
} rocprofiler_callback_tracing_memory_copy_data_v0_t;

/// Payload of MEMORY_COPY, SDK 1.x: the 48 bytes of 0.x and the addresses.
typedef struct rocprofiler_callback_tracing_memory_copy_data_v1_t {
    uint64_t size;
    rocprofiler_timestamp_t start_timestamp;
    rocprofiler_timestamp_t end_timestamp;
    rocprofiler_agent_id_t dst_agent_id;
    rocprofiler_agent_id_t src_agent_id;
    uint64_t bytes;
    rocprofiler_address_t dst_address;
    rocprofiler_address_t src_address;
} rocprofiler_callback_tracing_memory_copy_data_v1_t;

/* ---------------------------------------------------------------------------------------------- kinds MARKER_* -- */

/// A range opened by roctxRangeStartA.
typedef uint64_t roctx_range_id_t;
/// A thread to pause or resume; 0 is all.
typedef uint64_t roctx_thread_id_t;

/// ENTER and EXIT bracket the call, not the range: push and pop are paired by the tool, per thread.
typedef enum rocprofiler_marker_core_api_id_t {
    ROCPROFILER_MARKER_CORE_API_ID_NONE = -1,
    ROCPROFILER_MARKER_CORE_API_ID_roctxMarkA = 0,
    ROCPROFILER_MARKER_CORE_API_ID_roctxRangePushA = 1,
    ROCPROFILER_MARKER_CORE_API_ID_roctxRangePop = 2,
    ROCPROFILER_MARKER_CORE_API_ID_roctxRangeStartA = 3,
    ROCPROFILER_MARKER_CORE_API_ID_roctxRangeStop = 4,
    ROCPROFILER_MARKER_CORE_API_ID_roctxGetThreadId = 5,
} rocprofiler_marker_core_api_id_t;

/// 1.0+. ENTER at push or start, EXIT at pop or stop; an EXIT's message may dangle.
typedef enum rocprofiler_marker_core_range_api_id_t {
    ROCPROFILER_MARKER_CORE_RANGE_API_ID_NONE = -1,
    ROCPROFILER_MARKER_CORE_RANGE_API_ID_roctxMarkA = 0,
    ROCPROFILER_MARKER_CORE_RANGE_API_ID_roctxThreadRangeA = 1,
    ROCPROFILER_MARKER_CORE_RANGE_API_ID_roctxProcessRangeA = 2,
    ROCPROFILER_MARKER_CORE_RANGE_API_ID_roctxGetThreadId = 3,
} rocprofiler_marker_core_range_api_id_t;

/// They do nothing by themselves: the tool stops and starts its context.
typedef enum rocprofiler_marker_control_api_id_t {
    ROCPROFILER_MARKER_CONTROL_API_ID_NONE = -1,
    ROCPROFILER_MARKER_CONTROL_API_ID_roctxProfilerPause = 0,
    ROCPROFILER_MARKER_CONTROL_API_ID_roctxProfilerResume = 1,
} rocprofiler_marker_control_api_id_t;

/// Arguments of the roctx calls that say something.
typedef struct rocprofiler_marker_message_args_t {
    const char *message;
} rocprofiler_marker_message_args_t;

/// Arguments of roctxRangeStop.
typedef struct rocprofiler_marker_range_args_t {
    roctx_range_id_t id;
} rocprofiler_marker_range_args_t;

/// Arguments of roctxProfilerPause and roctxProfilerResume.
typedef struct rocprofiler_marker_thread_args_t {
    roctx_thread_id_t tid;
} rocprofiler_marker_thread_args_t;

/// Arguments of the roctx call. Strings belong to the application: copy them in the callback.
typedef union rocprofiler_marker_api_args_t {
    rocprofiler_marker_message_args_t roctxMarkA;
    rocprofiler_marker_message_args_t roctxRangePushA;
    rocprofiler_marker_message_args_t roctxRangeStartA;
    rocprofiler_marker_range_args_t roctxRangeStop;
    rocprofiler_marker_message_args_t roctxThreadRangeA;
    rocprofiler_marker_message_args_t roctxProcessRangeA;
    rocprofiler_marker_thread_args_t roctxProfilerPause;
    rocprofiler_marker_thread_args_t roctxProfilerResume;
    uint64_t words[2];
} rocprofiler_marker_api_args_t;

/// What the roctx call returns, in EXIT: the nesting level of push and pop (-1 for a pop too many), the id of start.
typedef union rocprofiler_marker_api_retval_t {
    int32_t int32_t_retval;
    int64_t int64_t_retval;
    roctx_range_id_t roctx_range_id_t_retval;
} rocprofiler_marker_api_retval_t;

/// Payload of the MARKER kinds, 32 bytes in every version.
typedef struct rocprofiler_callback_tracing_marker_api_data_t {
    uint64_t size;
    rocprofiler_marker_api_args_t args;
    rocprofiler_marker_api_retval_t retval;
} rocprofiler_callback_tracing_marker_api_data_t;

/* -------------------------------------------------------------------------------- kind HIP_RUNTIME_API: graphs -- */

typedef struct ihipStream_t *hipStream_t;
typedef struct ihipGraph *hipGraph_t;
typedef struct hipGraphExec *hipGraphExec_t;

/// The HIP calls that bear on launches. Their numbers are the same from 0.4 to 1.3; there are hundreds of others.
typedef enum rocprofiler_hip_runtime_api_id_t {
    ROCPROFILER_HIP_RUNTIME_API_ID_NONE = -1,
    ROCPROFILER_HIP_RUNTIME_API_ID_hipExtLaunchKernel = 84,
    ROCPROFILER_HIP_RUNTIME_API_ID_hipGraphExecDestroy = 143,
    ROCPROFILER_HIP_RUNTIME_API_ID_hipGraphInstantiate = 159,
    ROCPROFILER_HIP_RUNTIME_API_ID_hipGraphInstantiateWithFlags = 160,
    ROCPROFILER_HIP_RUNTIME_API_ID_hipGraphLaunch = 166,
    ROCPROFILER_HIP_RUNTIME_API_ID_hipLaunchKernel = 214,
    ROCPROFILER_HIP_RUNTIME_API_ID_hipMemcpyAsync = 268,
    ROCPROFILER_HIP_RUNTIME_API_ID_hipModuleLaunchKernel = 308,
    ROCPROFILER_HIP_RUNTIME_API_ID_hipStreamBeginCapture = 333,
    ROCPROFILER_HIP_RUNTIME_API_ID_hipStreamEndCapture = 338,
    ROCPROFILER_HIP_RUNTIME_API_ID_hipExtModuleLaunchKernel = 388,
    ROCPROFILER_HIP_RUNTIME_API_ID_hipGraphLaunch_spt = 420,
    ROCPROFILER_HIP_RUNTIME_API_ID_hipGraphInstantiateWithParams = 438,
} rocprofiler_hip_runtime_api_id_t;

/// Arguments of hipGraphLaunch and hipGraphLaunch_spt.
typedef struct rocprofiler_hip_graph_launch_args_t {
    hipGraphExec_t graphExec;
    hipStream_t stream;
} rocprofiler_hip_graph_launch_args_t;

/// What the arguments of hipGraphInstantiate, ...WithFlags and ...WithParams begin with. At EXIT `*pGraphExec` is set.
typedef struct rocprofiler_hip_graph_instantiate_args_t {
    hipGraphExec_t *pGraphExec;
    hipGraph_t graph;
} rocprofiler_hip_graph_instantiate_args_t;

/// Arguments of hipGraphExecDestroy.
typedef struct rocprofiler_hip_graph_exec_destroy_args_t {
    hipGraphExec_t graphExec;
} rocprofiler_hip_graph_exec_destroy_args_t;

/// Arguments of the HIP call, for the calls on graphs. 88 bytes in every version.
typedef union rocprofiler_hip_api_args_t {
    rocprofiler_hip_graph_launch_args_t hipGraphLaunch;
    rocprofiler_hip_graph_launch_args_t hipGraphLaunch_spt;
    rocprofiler_hip_graph_instantiate_args_t hipGraphInstantiate;
    rocprofiler_hip_graph_instantiate_args_t hipGraphInstantiateWithFlags;
    rocprofiler_hip_graph_instantiate_args_t hipGraphInstantiateWithParams;
    rocprofiler_hip_graph_exec_destroy_args_t hipGraphExecDestroy;
    uint64_t words[11];
} rocprofiler_hip_api_args_t;

/// What the HIP call returns, in EXIT.
typedef union rocprofiler_hip_api_retval_t {
    /// A hipError_t.
    int int_retval;
    uint64_t words[3];
} rocprofiler_hip_api_retval_t;

/// Payload of HIP_RUNTIME_API, 120 bytes in every version.
typedef struct rocprofiler_callback_tracing_hip_api_data_t {
    uint64_t size;
    rocprofiler_hip_api_args_t args;
    rocprofiler_hip_api_retval_t retval;
} rocprofiler_callback_tracing_hip_api_data_t;

/* ------------------------------------------------------------------------------------- kind HIP_GRAPH (1.3.0+) -- */

/// CREATE after an instantiation and DESTROY after a destruction, both of phase NONE; LAUNCH around a launch, within the
/// HIP call, on its thread and with its correlation id.
typedef enum rocprofiler_hip_graph_operation_t {
    ROCPROFILER_HIP_GRAPH_OPERATION_NONE = 0,
    ROCPROFILER_HIP_GRAPH_OPERATION_EXEC_CREATE = 1,
    ROCPROFILER_HIP_GRAPH_OPERATION_EXEC_DESTROY = 2,
    ROCPROFILER_HIP_GRAPH_OPERATION_EXEC_LAUNCH = 3,
} rocprofiler_hip_graph_operation_t;

/// Payload. The id counts from 1 in the process and names one executable graph for its life, which the pointer does not:
/// HIP gives it to another graph later. An update in place keeps both. No dispatch carries the id.
typedef struct rocprofiler_callback_tracing_hip_graph_data_t {
    uint64_t size;
    uint64_t graph_exec_id;
    rocprofiler_address_t graph_exec_value;
} rocprofiler_callback_tracing_hip_graph_data_t;

/* ------------------------------------------------------------------------ kind HIP_STREAM, which stream (1.0+) -- */

/// A HIP stream; 0 is the default one.
typedef struct rocprofiler_stream_id_t {
    uint64_t handle;
} rocprofiler_stream_id_t;

/// SET brackets a call that takes a stream.
typedef enum rocprofiler_hip_stream_operation_t {
    ROCPROFILER_HIP_STREAM_CREATE = 1,
    ROCPROFILER_HIP_STREAM_DESTROY = 2,
    ROCPROFILER_HIP_STREAM_SET = 3,
} rocprofiler_hip_stream_operation_t;

/// Payload of HIP_STREAM.
typedef struct rocprofiler_callback_tracing_hip_stream_data_t {
    uint64_t size;
    rocprofiler_stream_id_t stream_id;
    rocprofiler_address_t stream_value;
} rocprofiler_callback_tracing_hip_stream_data_t;

/* ------------------------------------------------------------------------------------ external correlation ids -- */

/// The stack is per context and thread; `context` is the one that owns the service whose records shall carry it.
typedef rocprofiler_status_t
rocprofiler_push_external_correlation_id_fn(rocprofiler_context_id_t context, rocprofiler_thread_id_t thread_id,
                                            rocprofiler_user_data_t value);
/// `value` may be NULL. An empty stack yields 0.
typedef rocprofiler_status_t
rocprofiler_pop_external_correlation_id_fn(rocprofiler_context_id_t context, rocprofiler_thread_id_t thread_id,
                                           rocprofiler_user_data_t *value);

typedef enum rocprofiler_external_correlation_id_request_kind_t {
    ROCPROFILER_EXTERNAL_CORRELATION_REQUEST_MEMORY_COPY = 10,
    ROCPROFILER_EXTERNAL_CORRELATION_REQUEST_KERNEL_DISPATCH = 11,
} rocprofiler_external_correlation_id_request_kind_t;

/// 0 means that `external` is set and wins; else what was pushed counts.
typedef int (*rocprofiler_external_correlation_id_request_cb_t)(
    rocprofiler_thread_id_t thread_id, rocprofiler_context_id_t context,
    rocprofiler_external_correlation_id_request_kind_t kind, rocprofiler_tracing_operation_t operation,
    uint64_t internal_correlation_id, rocprofiler_user_data_t *external, void *data);

typedef rocprofiler_status_t rocprofiler_configure_external_correlation_id_request_service_fn(
    rocprofiler_context_id_t context, const rocprofiler_external_correlation_id_request_kind_t *kinds,
    size_t num_kinds, rocprofiler_external_correlation_id_request_cb_t callback, void *callback_data);

/* -------------------------------------------------------------------------------------------- buffered tracing -- */

/// A buffer of records. Must be 0 before `rocprofiler_create_buffer`.
typedef struct rocprofiler_buffer_id_t {
    uint64_t handle;
} rocprofiler_buffer_id_t;

/// A thread on which buffers are delivered.
typedef struct rocprofiler_callback_thread_t {
    uint64_t handle;
} rocprofiler_callback_thread_t;

typedef enum rocprofiler_buffer_policy_t {
    ROCPROFILER_BUFFER_POLICY_DISCARD = 1,
    ROCPROFILER_BUFFER_POLICY_LOSSLESS = 2,
} rocprofiler_buffer_policy_t;

typedef enum rocprofiler_buffer_category_t {
    ROCPROFILER_BUFFER_CATEGORY_TRACING = 1,
} rocprofiler_buffer_category_t;

/// The kinds from 12 on moved between 0.6 and 1.0 and are not named here.
typedef enum rocprofiler_buffer_tracing_kind_t {
    ROCPROFILER_BUFFER_TRACING_MEMORY_COPY = 10,
    ROCPROFILER_BUFFER_TRACING_KERNEL_DISPATCH = 11,
} rocprofiler_buffer_tracing_kind_t;

/// The head of a record; the two words are hashed as category | kind << 32.
typedef struct rocprofiler_record_header_t {
    uint32_t category;
    uint32_t kind;
    void *payload;
} rocprofiler_record_header_t;

/// A completed dispatch: the 184 bytes that every version has.
typedef struct rocprofiler_buffer_tracing_kernel_dispatch_record_t {
    uint64_t size;
    rocprofiler_buffer_tracing_kind_t kind;
    rocprofiler_kernel_dispatch_operation_t operation;
    /// Without ancestor in every version.
    rocprofiler_correlation_id_v0_t correlation_id;
    rocprofiler_thread_id_t thread_id;
    rocprofiler_timestamp_t start_timestamp;
    rocprofiler_timestamp_t end_timestamp;
    rocprofiler_kernel_dispatch_info_t dispatch_info;
} rocprofiler_buffer_tracing_kernel_dispatch_record_t;

/// Headers and payloads are valid during the callback only.
typedef void (*rocprofiler_buffer_tracing_cb_t)(rocprofiler_context_id_t context, rocprofiler_buffer_id_t buffer,
                                                rocprofiler_record_header_t **headers, size_t num_headers,
                                                void *callback_data, uint64_t drop_count);

typedef rocprofiler_status_t rocprofiler_create_buffer_fn(rocprofiler_context_id_t context, size_t size,
                                                          size_t watermark, rocprofiler_buffer_policy_t policy,
                                                          rocprofiler_buffer_tracing_cb_t callback,
                                                          void *callback_data, rocprofiler_buffer_id_t *buffer);
/// Returns after the callback ran. Must not be called from it.
typedef rocprofiler_status_t rocprofiler_flush_buffer_fn(rocprofiler_buffer_id_t buffer);
typedef rocprofiler_status_t rocprofiler_destroy_buffer_fn(rocprofiler_buffer_id_t buffer);
typedef rocprofiler_status_t rocprofiler_create_callback_thread_fn(rocprofiler_callback_thread_t *thread);
typedef rocprofiler_status_t rocprofiler_assign_callback_thread_fn(rocprofiler_buffer_id_t buffer,
                                                                   rocprofiler_callback_thread_t thread);
typedef rocprofiler_status_t rocprofiler_configure_buffer_tracing_service_fn(
    rocprofiler_context_id_t context, rocprofiler_buffer_tracing_kind_t kind,
    const rocprofiler_tracing_operation_t *operations, size_t num_operations, rocprofiler_buffer_id_t buffer);

#ifdef __cplusplus
}
#endif

#endif /* ROCPROFILER_SDK_MIN_H */
