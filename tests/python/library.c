/* A stand-in for the preloaded library: it writes down what the hook tells it. */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

uint32_t profile_decode_modules_active;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char told[1 << 20];
static size_t length;
static __thread uint64_t stack[64];
static __thread int depth;
static __thread int thread;
static int threads;

static void tell(const char *what, const char *text, size_t bytes) {
    pthread_mutex_lock(&lock);
    if (thread == 0) thread = ++threads;
    length += snprintf(told + length, sizeof told - length, "%d %d %s %.*s\n", thread, depth, what, (int)bytes, text);
    pthread_mutex_unlock(&lock);
}

void profile_decode_module_push(uint64_t token, const char *text, size_t bytes) {
    tell("+", text, bytes);
    stack[depth++] = token;
}

void profile_decode_module_pop(uint64_t token) {
    if (depth > 0 && stack[depth - 1] == token) {
        depth--;
        tell("-", "", 0);
    } else {
        tell("?", "", 0);
    }
}

/* What was told since the last time. */
const char *stand_in_told(void) {
    static char taken[sizeof told];
    pthread_mutex_lock(&lock);
    memcpy(taken, told, length);
    taken[length] = 0;
    length = 0;
    pthread_mutex_unlock(&lock);
    return taken;
}
