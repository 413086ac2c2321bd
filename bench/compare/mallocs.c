// Preloaded: counts the calls that take memory from the heap, and writes the count to the file that the
// variable MALLOCS names when the program ends.
#include <fcntl.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

// glibc's own names, behind which its functions can still be reached.
// NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp)
void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void *__libc_memalign(size_t, size_t);
// NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp)

static _Atomic long calls;
static int file = -1;

__attribute__((constructor)) static void open_file(void)
{
	const char *name = getenv("MALLOCS");
	file = name ? open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666) : -1;
}

__attribute__((destructor)) static void write_count(void)
{
	char text[32];
	int n = snprintf(text, sizeof(text), "%ld\n", atomic_load(&calls));
	if (file >= 0 && write(file, text, (size_t)n) != n)
		_exit(120);
}

void *malloc(size_t n)
{
	calls++;
	return __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
	calls++;
	return __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
	calls++;
	return __libc_realloc(p, n);
}

void *aligned_alloc(size_t align, size_t n)
{
	calls++;
	return __libc_memalign(align, n);
}
