is_tracing = False


def is_compiling():
    return is_tracing
