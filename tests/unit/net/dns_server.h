// A tiny DNS server on 127.0.0.1 for tests, honest or hostile depending on the first label asked for.
//
//   ok        A 198.18.0.5, 198.18.0.6, 198.18.0.5; AAAA 2001:db8::5      v4only    A 198.18.0.7, no AAAA
//   many      25 A records        alias     CNAME to ok, with its records  none      NXDOMAIN
//   refused   RCODE 5             silent    no answer                      wrongid   another query's id
//   loop      a compression pointer to itself     long   a record's length past the end
//   cutN      the answer to ok, cut after N bytes          flipN  the same with byte N inverted
//
// Reverse, by the last byte of 198.18.0.x: 10 a name, 11 with an underscore, 12 an escape sequence, 13 markup
// and spaces, 14 two names, 15 NXDOMAIN, 16 a pointer loop, 17 an empty name, 18 a label of 0xff bytes.
#pragma once

#include <pthread.h>
#include <stdbool.h>

struct dns_server {
	int fd;
	unsigned short port;
	pthread_t thread;
};

#define DNS_OK_BYTES 96 // more than the longest honest answer to cutN

bool dns_server_start(struct dns_server *s);
void dns_server_stop(struct dns_server *s);
