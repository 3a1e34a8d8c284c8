/* A library that is just enough of rocprofiler-sdk to be found and called. It is compiled against the header, so that
 * a C compiler has a say in it as well. What it is comes from the command line:
 *
 *   FAKE_MAJOR, FAKE_MINOR, FAKE_PATCH   its version, and with it its layout
 *   FAKE_AGENT_SIZE                      how many bytes it describes an agent in
 *   WITHOUT_name                         leaves the function out
 *
 * Configuring KERNEL_DISPATCH calls back at once, from C, with one completed dispatch. */
#include "rocprofiler_sdk_min.h"

#include <string.h>

#define STATUS_LOCKED 16

#ifndef WITHOUT_rocprofiler_get_version
rocprofiler_get_version_fn rocprofiler_get_version;
rocprofiler_status_t rocprofiler_get_version(uint32_t *major, uint32_t *minor, uint32_t *patch)
{
    if (major) *major = FAKE_MAJOR;
    if (minor) *minor = FAKE_MINOR;
    if (patch) *patch = FAKE_PATCH;
    return ROCPROFILER_STATUS_SUCCESS;
}
#endif

#ifndef WITHOUT_rocprofiler_get_status_name
rocprofiler_get_status_name_fn rocprofiler_get_status_name;
const char *rocprofiler_get_status_name(rocprofiler_status_t status)
{
    switch ((int)status) {
    case ROCPROFILER_STATUS_ERROR_CONTEXT_NOT_FOUND: return "ROCPROFILER_STATUS_ERROR_CONTEXT_NOT_FOUND";
    case STATUS_LOCKED: return "ROCPROFILER_STATUS_ERROR_CONFIGURATION_LOCKED";
    default: return NULL;
    }
}
#endif

#ifndef WITHOUT_rocprofiler_get_timestamp
rocprofiler_get_timestamp_fn rocprofiler_get_timestamp;
rocprofiler_status_t rocprofiler_get_timestamp(rocprofiler_timestamp_t *timestamp)
{
    *timestamp = 12345;
    return ROCPROFILER_STATUS_SUCCESS;
}
#endif

/* One context can be created; it is then active or not. */
static uint64_t contexts;
static int active;

rocprofiler_create_context_fn rocprofiler_create_context;
rocprofiler_status_t rocprofiler_create_context(rocprofiler_context_id_t *context)
{
    if (contexts || context->handle) return (rocprofiler_status_t)STATUS_LOCKED;
    context->handle = ++contexts;
    return ROCPROFILER_STATUS_SUCCESS;
}

#ifndef WITHOUT_rocprofiler_start_context
rocprofiler_start_context_fn rocprofiler_start_context;
rocprofiler_status_t rocprofiler_start_context(rocprofiler_context_id_t context)
{
    if (context.handle != contexts) return ROCPROFILER_STATUS_ERROR_CONTEXT_NOT_FOUND;
    active = 1;
    return ROCPROFILER_STATUS_SUCCESS;
}
#endif

rocprofiler_stop_context_fn rocprofiler_stop_context;
rocprofiler_status_t rocprofiler_stop_context(rocprofiler_context_id_t context)
{
    if (context.handle != contexts || !active) return ROCPROFILER_STATUS_ERROR_CONTEXT_NOT_FOUND;
    active = 0;
    return ROCPROFILER_STATUS_SUCCESS;
}

#ifndef WITHOUT_rocprofiler_context_is_active
rocprofiler_context_is_active_fn rocprofiler_context_is_active;
rocprofiler_status_t rocprofiler_context_is_active(rocprofiler_context_id_t context, int *is_active)
{
    if (context.handle != contexts) return ROCPROFILER_STATUS_ERROR_CONTEXT_NOT_FOUND;
    *is_active = active;
    return ROCPROFILER_STATUS_SUCCESS;
}
#endif

static const char *const kind_names[] = {
    "NONE", "HSA_CORE_API", "HSA_AMD_EXT_API", "HSA_IMAGE_EXT_API", "HSA_FINALIZE_EXT_API", "HIP_RUNTIME_API",
    "HIP_COMPILER_API", "MARKER_CORE_API", "MARKER_CONTROL_API", "MARKER_NAME_API", "CODE_OBJECT", "SCRATCH_MEMORY",
    "KERNEL_DISPATCH", "MEMORY_COPY",
};
#define NUM_KINDS (sizeof kind_names / sizeof *kind_names)

rocprofiler_query_callback_tracing_kind_name_fn rocprofiler_query_callback_tracing_kind_name;
rocprofiler_status_t rocprofiler_query_callback_tracing_kind_name(rocprofiler_callback_tracing_kind_t kind,
                                                                  const char **name, uint64_t *name_len)
{
    if ((size_t)kind >= NUM_KINDS) return ROCPROFILER_STATUS_ERROR_KIND_NOT_FOUND;
    if (name) *name = kind_names[kind];
    if (name_len) *name_len = strlen(kind_names[kind]);
    return ROCPROFILER_STATUS_SUCCESS;
}

rocprofiler_iterate_callback_tracing_kind_operations_fn rocprofiler_iterate_callback_tracing_kind_operations;
rocprofiler_status_t
rocprofiler_iterate_callback_tracing_kind_operations(rocprofiler_callback_tracing_kind_t kind,
                                                     rocprofiler_callback_tracing_kind_operation_cb_t callback,
                                                     void *data)
{
    for (int operation = 0; operation < 3; ++operation)
        if (callback(kind, operation, data)) break;
    return ROCPROFILER_STATUS_SUCCESS;
}

rocprofiler_query_callback_tracing_kind_operation_name_fn rocprofiler_query_callback_tracing_kind_operation_name;
rocprofiler_status_t
rocprofiler_query_callback_tracing_kind_operation_name(rocprofiler_callback_tracing_kind_t kind,
                                                       rocprofiler_tracing_operation_t operation, const char **name,
                                                       uint64_t *name_len)
{
    static const char *const names[] = {"KERNEL_DISPATCH_NONE", "KERNEL_DISPATCH_ENQUEUE", "KERNEL_DISPATCH_COMPLETE"};
    (void)kind;
    if (name) *name = names[operation];
    if (name_len) *name_len = strlen(names[operation]);
    return ROCPROFILER_STATUS_SUCCESS;
}

rocprofiler_configure_callback_tracing_service_fn rocprofiler_configure_callback_tracing_service;
rocprofiler_status_t rocprofiler_configure_callback_tracing_service(rocprofiler_context_id_t context,
                                                                    rocprofiler_callback_tracing_kind_t kind,
                                                                    const rocprofiler_tracing_operation_t *operations,
                                                                    size_t num_operations,
                                                                    rocprofiler_callback_tracing_cb_t callback,
                                                                    void *callback_data)
{
    if (context.handle != contexts) return ROCPROFILER_STATUS_ERROR_CONTEXT_NOT_FOUND;
    rocprofiler_callback_tracing_kernel_dispatch_data_t data = {
        .size = sizeof data,
        .start_timestamp = 1000,
        .end_timestamp = 1000 + (operations ? operations[num_operations - 1] : 0),
        .dispatch_info = {.size = 72, .kernel_id = 4, .dispatch_id = 5, .grid_size = {64, 2, 1}},
    };
    rocprofiler_user_data_t user_data = {.value = 6};
#if FAKE_MAJOR == 0
    rocprofiler_callback_tracing_record_v0_t record = {
#else
    rocprofiler_callback_tracing_record_v1_t record = {
        .correlation_id.ancestor = 9,
#endif
        .context_id = context,
        .thread_id = 11,
        .correlation_id.internal = 7,
        .correlation_id.external.value = 8,
        .kind = kind,
        .operation = ROCPROFILER_KERNEL_DISPATCH_COMPLETE,
        .phase = ROCPROFILER_CALLBACK_PHASE_NONE,
        .payload = &data,
    };
#if FAKE_MAJOR == 0
    ((rocprofiler_callback_tracing_cb_v0_t)callback)(record, &user_data, callback_data);
#else
    ((rocprofiler_callback_tracing_cb_v1_t)callback)(record, &user_data, callback_data);
#endif
    return ROCPROFILER_STATUS_SUCCESS;
}

#ifndef WITHOUT_rocprofiler_query_available_agents
rocprofiler_query_available_agents_fn rocprofiler_query_available_agents;
rocprofiler_status_t rocprofiler_query_available_agents(rocprofiler_agent_version_t version,
                                                        rocprofiler_query_available_agents_cb_t callback,
                                                        size_t agent_size, void *user_data)
{
    static union {
        rocprofiler_agent_v0_t agent;
        unsigned char bytes[512];
    } gpu;
    if (agent_size > FAKE_AGENT_SIZE) return (rocprofiler_status_t)18;
    for (size_t byte = sizeof gpu.agent; byte < sizeof gpu; ++byte) gpu.bytes[byte] = (unsigned char)byte;
    gpu.agent.size = FAKE_AGENT_SIZE;
    gpu.agent.id.handle = 40001;
    gpu.agent.type = ROCPROFILER_AGENT_TYPE_GPU;
    gpu.agent.name = "gfx942";
    gpu.agent.product_name = "AMD Instinct MI300X";
    gpu.agent.gfx_target_version = 90402;
    gpu.agent.cu_count = 304;
    gpu.agent.node_id = 2;
    gpu.agent.logical_node_id = 2;
    gpu.agent.logical_node_type_id = 1;
    const void *agents[] = {&gpu.agent};
    return callback(version, agents, 1, user_data);
}
#endif

/* A stack of one. */
static uint64_t pushed;

#ifndef WITHOUT_rocprofiler_push_external_correlation_id
rocprofiler_push_external_correlation_id_fn rocprofiler_push_external_correlation_id;
rocprofiler_status_t rocprofiler_push_external_correlation_id(rocprofiler_context_id_t context,
                                                              rocprofiler_thread_id_t thread_id,
                                                              rocprofiler_user_data_t value)
{
    (void)context;
    pushed = value.value + thread_id;
    return ROCPROFILER_STATUS_SUCCESS;
}
#endif

rocprofiler_pop_external_correlation_id_fn rocprofiler_pop_external_correlation_id;
rocprofiler_status_t rocprofiler_pop_external_correlation_id(rocprofiler_context_id_t context,
                                                             rocprofiler_thread_id_t thread_id,
                                                             rocprofiler_user_data_t *value)
{
    (void)context;
    if (value) value->value = pushed ? pushed - thread_id : 0;
    pushed = 0;
    return ROCPROFILER_STATUS_SUCCESS;
}
