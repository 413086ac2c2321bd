// Runs a command N times and prints one line for each: wall nanoseconds, user and system microseconds, peak
// resident KiB, wait status. A parent this small neither disturbs the clock nor shows up in the peak.
//   timed N RT OUT ERR COMMAND…    RT: real-time priority (0: none); OUT, ERR: files
#include <fcntl.h>
#include <sched.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static long long now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static long long micros(struct timeval t)
{
	return t.tv_sec * 1000000LL + t.tv_usec;
}

int main(int argc, char *argv[])
{
	if (argc < 6)
		return 2;
	struct sched_param real_time = {.sched_priority = (int)strtol(argv[2], NULL, 10)};
	if (real_time.sched_priority && sched_setscheduler(0, SCHED_RR, &real_time))
		perror("sched_setscheduler");
	posix_spawn_file_actions_t files;
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_addopen(&files, 1, argv[3], O_WRONLY | O_CREAT | O_TRUNC, 0666);
	posix_spawn_file_actions_addopen(&files, 2, argv[4], O_WRONLY | O_CREAT | O_TRUNC, 0666);
	for (long n = strtol(argv[1], NULL, 10); n > 0; n--) {
		pid_t pid;
		int status;
		struct rusage used;
		long long start = now_ns();
		if (posix_spawnp(&pid, argv[5], &files, NULL, argv + 5, environ) ||
		    wait4(pid, &status, 0, &used) != pid)
			return 1;
		long long wall = now_ns() - start;
		printf("%lld %lld %lld %ld %d\n", wall, micros(used.ru_utime), micros(used.ru_stime),
		       used.ru_maxrss, status);
	}
	return 0;
}
