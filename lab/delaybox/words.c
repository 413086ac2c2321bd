#include "words.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEFAULT_QUEUE = 100, MAX_QUEUE = 1000000 };

// Reads "a:b:c", up to max numbers of at least 0; returns how many there are, or 0 when the text is anything
// else.
static int numbers(const char *text, int max, double values[])
{
	int count = 0;

	for (;;) {
		char *end;

		values[count++] = strtod(text, &end);
		if (end == text || !(values[count - 1] >= 0 && values[count - 1] <= 1e12))
			return 0;
		if (*end == '\0')
			return count;
		if (*end != ':' || count == max)
			return 0;
		text = end + 1;
	}
}

static bool share(const char *text, double *value)
{
	if (numbers(text, 1, value) != 1 || *value > 100)
		return false;
	*value /= 100;
	return true;
}

static bool milliseconds(const char *text, double *ns)
{
	if (numbers(text, 1, ns) != 1 || *ns > 60000)
		return false;
	*ns *= 1e6;
	return true;
}

static bool burst(struct fate_params *params, const char *text)
{
	double v[3] = {0, 0, 100};
	int count = numbers(text, 3, v);

	params->burst_enter = v[0] / 100;
	params->burst_leave = v[1] / 100;
	params->burst_loss = v[2] / 100;
	return count >= 2 && v[0] <= 100 && v[1] > 0 && v[1] <= 100 && v[2] <= 100;
}

static bool spells(struct fate_params *params, const char *text)
{
	double v[3] = {0, 0, 100};
	int count = numbers(text, 3, v);

	params->good_ns = v[0] * 1e6;
	params->bad_ns = v[1] * 1e6;
	params->bad_loss = v[2] / 100;
	return count >= 2 && v[0] > 0 && v[0] <= 1e6 && v[1] <= 1e6 && v[2] <= 100;
}

static bool rate(struct fate_params *params, const char *text)
{
	char *unit;
	double value = strtod(text, &unit);

	if (unit == text || !(value >= 1 && value <= 1e12))
		return false;
	params->packets_per_s = strcmp(unit, "pps") == 0 ? value : 0;
	params->bits_per_s = strcmp(unit, "bit") == 0    ? value
			     : strcmp(unit, "kbit") == 0 ? value * 1e3
			     : strcmp(unit, "Mbit") == 0 ? value * 1e6
							 : 0;
	if (params->queue == 0)
		params->queue = DEFAULT_QUEUE;
	return params->packets_per_s > 0 || params->bits_per_s > 0;
}

static bool queue(struct fate_params *params, const char *text)
{
	double value;

	if (numbers(text, 1, &value) != 1 || value < 1 || value > MAX_QUEUE)
		return false;
	params->queue = (uint32_t)value;
	return true;
}

static bool distribution(struct fate_params *params, const char *text)
{
	params->jitter_kind = strcmp(text, "normal") == 0 ? JITTER_NORMAL : JITTER_UNIFORM;
	return strcmp(text, "normal") == 0 || strcmp(text, "uniform") == 0;
}

static bool order(struct fate_params *params, const char *text)
{
	params->reorder = strcmp(text, "free") == 0;
	return params->reorder || strcmp(text, "kept") == 0;
}

static bool apply(struct fate_params *params, const char *key, const char *value)
{
	if (strcmp(key, "delay") == 0)
		return milliseconds(value, &params->delay_ns);
	if (strcmp(key, "jitter") == 0)
		return milliseconds(value, &params->jitter_ns);
	if (strcmp(key, "dist") == 0)
		return distribution(params, value);
	if (strcmp(key, "order") == 0)
		return order(params, value);
	if (strcmp(key, "loss") == 0)
		return share(value, &params->loss);
	if (strcmp(key, "burst") == 0)
		return burst(params, value);
	if (strcmp(key, "spells") == 0)
		return spells(params, value);
	if (strcmp(key, "rate") == 0)
		return rate(params, value);
	if (strcmp(key, "queue") == 0)
		return queue(params, value);
	return false;
}

int words_apply(struct fate_params *params, const char *word)
{
	const char *equals = strchr(word, '=');
	char key[16] = "";

	if (equals && (size_t)(equals - word) < sizeof(key)) {
		memcpy(key, word, (size_t)(equals - word));
		if (apply(params, key, equals + 1))
			return 0;
	}
	fprintf(stderr,
		"delaybox: %s: expected delay=MS jitter=MS dist=uniform|normal order=kept|free loss=PERCENT\n"
		"burst=ENTER:LEAVE[:LOSS] (per cent) spells=GOODMS:BADMS[:LOSS] rate=Npps|Nbit|Nkbit|NMbit "
		"queue=PACKETS\n",
		word);
	return -EINVAL;
}
