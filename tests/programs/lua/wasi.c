/* What a program of WASI cannot do: start another, and have a temporary file without a folder. */
#include <errno.h>
#include <stdio.h>

int system(const char *command) {
    errno = ENOSYS;
    return command ? -1 : 0;
}

FILE *tmpfile(void) {
    errno = ENOSYS;
    return NULL;
}
