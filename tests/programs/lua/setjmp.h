/* wasi-libc has no setjmp: WebAssembly cannot jump out of a function without exceptions. Lua lets its way of throwing be defined
   from outside, so an error ends the program with its message, as one that reaches the top does anyway; `pcall` catches none. */
#include <stdio.h>
#include <stdlib.h>

#define luai_jmpbuf int
#define LUAI_TRY(L, c, a) { (void)(c); a }
#define LUAI_THROW(L, c) \
    (fprintf(stderr, "lua: %s\n", lua_isstring(L, -1) ? lua_tostring(L, -1) : "(no message)"), exit(EXIT_FAILURE))
