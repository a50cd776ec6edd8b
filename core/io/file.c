#include "io/file.h"

#include <stdlib.h>

#include "base/clock.h"
#include "io/file_bar.h"
#include "io/file_envelope.h"
#include "io/file_lines.h"
#include "io/file_record.h"

enum {
	OPEN_MOST = 64,     /* files read at a time: each holds about a megabyte, and a descriptor */
	CHUNK_LINES = 512,  /* of one file before the next has its turn */
	POLL_STEPS = 64,    /* blocks read, or chunks of blank or skipped lines passed over, in one poll: some milliseconds */
	STEP_LINES = 16384, /* lines passed over that count as one of those */
};

enum file_state {
	FILE_ASSIGNED, /* take() has not answered */
	FILE_TAKEN,    /* has its start, and waits for its turn to be opened */
	FILE_OPEN,
	FILE_DONE, /* ended, or broken and reported */
};

struct file {
	struct file_source *source;
	uint32_t id;        /* index among all files of the job: what messages call their partition */
	int32_t occurrence; /* how many files before it have the same name. The number of the partition that its progress belongs to:
			     * files that are added to the job or leave it do not move the progress of the others */
	const char *path;
	struct slice name;
	enum file_state state;
	bool paused;
	bool waiting; /* for a pipe: `readable` will tell */
	int64_t from; /* lines before are skipped */
	struct partition *owner;
	struct file_lines lines;
	struct event *readable;
};

struct file_source {
	struct source source;
	struct event_base *loop;
	struct source_events events;
	struct event *wake;
	struct arena arena; /* files and strings */
	struct file *files; /* this worker's */
	size_t count, turn, open;
	struct file_record record;
	bool announced, stopped;
	bool bar_wanted;
	struct file_bar bar;
	uint64_t taken; /* bytes of files that are closed again */
	uint64_t delivered;
};

static struct file_source *self(struct source *source)
{
	return (struct file_source *)source;
}

static void on_wake(evutil_socket_t fd, short what, void *ctx)
{
	struct file_source *s = ctx;

	(void)fd;
	(void)what;
	s->events.wake(s->events.ctx);
}

static void on_readable(evutil_socket_t fd, short what, void *ctx)
{
	struct file *file = ctx;

	(void)fd;
	(void)what;
	file->waiting = false;
	file->source->events.wake(file->source->events.ctx);
}

static void wake_later(struct file_source *s)
{
	event_active(s->wake, EV_TIMEOUT, 0);
}

static void file_finish(struct file *file)
{
	struct file_source *s = file->source;

	if (file->state == FILE_OPEN) {
		s->taken += file_read_taken(file->lines.read);
		s->open--;
	}
	/* Before its descriptor is closed: the loop must not watch a number that belongs to something else by then. */
	if (file->readable)
		event_free(file->readable);
	file->readable = NULL;
	file_lines_close(&file->lines);
	file->state = FILE_DONE;
}

static void __attribute__((format(printf, 3, 4))) file_fail(struct file *file, bool job, const char *format, ...)
{
	struct file_source *s = file->source;
	struct error err;
	va_list args;

	va_start(args, format);
	vsnprintf(err.text, sizeof err.text, format, args);
	va_end(args);
	error_prefix(&err, "%s", file->path);
	file_finish(file);
	s->events.failed(s->events.ctx, job, err.text);
}

static int file_start(struct source *source, const struct source_events *events, struct error *err)
{
	struct file_source *s = self(source);
	uint64_t total = 0, size;
	bool sized = true;

	s->events = *events;
	for (size_t i = 0; i < s->count; i++) {
		if (file_read_check(s->files[i].path, &size, err) < 0)
			return -1;
		total += size;
		sized &= size > 0;
	}
	file_bar_start(&s->bar, s->bar_wanted, sized ? total : 0, clock_mono_ms());
	wake_later(s);
	return 0;
}

static void announce(struct file_source *s)
{
	struct source_partition *partitions;

	s->announced = true;
	if (s->count == 0) {
		s->events.idle(s->events.ctx);
		return;
	}
	partitions = calloc(s->count, sizeof *partitions);
	BUG_IF(!partitions);
	for (size_t i = 0; i < s->count; i++)
		partitions[i] = (struct source_partition){ (uint32_t)i, s->files[i].name, s->files[i].occurrence };
	s->events.assigned(s->events.ctx, partitions, s->count);
	free(partitions);
}

/* False: the line was delivered before, or is blank. */
static bool deliver(struct file *file, struct slice line)
{
	struct file_source *s = file->source;
	int64_t number = file->lines.number - 1;
	struct message message = { .partition = (int32_t)file->id, .offset = number, .owner = file->owner, .position = number };

	if (number < file->from || !file_record_read(&s->record, file->name, line, &message))
		return false;
	s->delivered++;
	s->events.message(s->events.ctx, &message);
	return true;
}

static void file_end(struct file *file)
{
	struct file_source *s = file->source;
	int64_t lines = file->lines.number;

	if (lines < file->from) {
		file_fail(file, true,
			  "it has %lld lines, but its progress is at line %lld: it is another file than the one "
			  "that was read before",
			  (long long)lines, (long long)file->from);
		return;
	}
	file_finish(file);
	s->events.ended(s->events.ctx, (uint32_t)(file - s->files));
}

static void wait_readable(struct file *file)
{
	if (!file->readable) {
		file->readable = event_new(file->source->loop, file_read_fd(file->lines.read), EV_READ, on_readable, file);
		BUG_IF(!file->readable);
	}
	file->waiting = true;
	if (event_add(file->readable, NULL) < 0)
		file_fail(file, true, "this kind of file cannot be waited for");
}

static bool can_read(const struct file_source *s, const struct file *file)
{
	return !file->paused && !file->waiting && (file->state == FILE_OPEN || (file->state == FILE_TAKEN && s->open < OPEN_MOST));
}

/* One file's turn. Returns how many messages it delivered; *steps is what is left of the poll. */
static size_t file_turn(struct file *file, size_t most, size_t *steps)
{
	struct file_source *s = file->source;
	size_t delivered = 0, passed = 0;
	struct error err = { .text = "" };
	struct slice line;

	if (file->state == FILE_TAKEN) {
		if (file_lines_open(&file->lines, file->path, &err) < 0) {
			file_fail(file, false, "%s", err.text);
			return 0;
		}
		file->state = FILE_OPEN;
		s->open++;
	}
	while (delivered<most && * steps> 0 && !s->stopped && can_read(s, file)) {
		switch (file_lines_next(&file->lines, &line, &err)) {
		case FILE_LINES_LINE:
			if (deliver(file, line))
				delivered++;
			else if (++passed % STEP_LINES == 0)
				--*steps;
			break;
		case FILE_LINES_MORE:
			--*steps;
			break;
		case FILE_LINES_LATER:
			wait_readable(file);
			break;
		case FILE_LINES_END:
			file_end(file);
			break;
		case FILE_LINES_BROKEN:
			file_fail(file, true, "line %lld: %s", (long long)file->lines.number + 1, err.text);
			break;
		}
	}
	return delivered;
}

static void show_bar(struct file_source *s)
{
	uint64_t taken = s->taken;
	bool done = true;

	for (size_t i = 0; i < s->count; i++) {
		if (s->files[i].state == FILE_OPEN)
			taken += file_read_taken(s->files[i].lines.read);
		done &= s->files[i].state == FILE_DONE;
	}
	if (done)
		file_bar_end(&s->bar);
	else
		file_bar_show(&s->bar, taken, s->delivered, clock_mono_ms());
}

static size_t file_poll(struct source *source, size_t most)
{
	struct file_source *s = self(source);
	size_t delivered = 0, steps = POLL_STEPS, idle = 0;

	if (s->stopped)
		return 0;
	if (!s->announced) {
		announce(s);
		return 0;
	}
	while (delivered < most && steps > 0 && idle < s->count && !s->stopped) {
		struct file *file = &s->files[s->turn];

		s->turn = (s->turn + 1) % s->count;
		if (!can_read(s, file)) {
			idle++;
			continue;
		}
		idle = 0;
		delivered += file_turn(file, most - delivered < CHUNK_LINES ? most - delivered : CHUNK_LINES, &steps);
	}
	/* Stopped short of what there is: the loop turns, and then goes on here. */
	if (idle < s->count)
		wake_later(s);
	if (s->bar.wanted)
		show_bar(s);
	return delivered;
}

static void file_take(struct source *source, uint32_t id, int64_t offset, struct partition *owner)
{
	struct file_source *s = self(source);
	struct file *file = &s->files[id];

	BUG_IF(id >= s->count || file->state != FILE_ASSIGNED);
	file->from = offset == START_CONFIGURED ? 0 : offset;
	file->owner = owner;
	file->state = FILE_TAKEN;
	wake_later(s);
}

static void file_pause(struct source *source, uint32_t id, bool paused)
{
	struct file_source *s = self(source);

	BUG_IF(id >= s->count);
	s->files[id].paused = paused;
	if (!paused)
		wake_later(s);
}

static void file_committed(struct source *source, uint32_t id, int64_t offset)
{
	(void)source;
	(void)id;
	(void)offset;
}

/* How many lines are left is only known when none are. */
static int64_t file_lag(struct source *source, uint32_t id)
{
	return self(source)->files[id].state == FILE_DONE ? 0 : -1;
}

static void file_stop(struct source *source)
{
	struct file_source *s = self(source);

	s->stopped = true;
	file_bar_end(&s->bar);
}

static void file_close(struct source *source)
{
	struct file_source *s = self(source);

	file_bar_end(&s->bar);
	for (size_t i = 0; i < s->count; i++)
		file_finish(&s->files[i]);
	event_free(s->wake);
	file_envelope_free(s->record.envelope);
	arena_free(&s->arena);
	free(s);
}

static const struct source_ops file_ops = {
	.name = "file",
	.start = file_start,
	.poll = file_poll,
	.take = file_take,
	.pause = file_pause,
	.committed = file_committed,
	.lag = file_lag,
	.stop = file_stop,
	.close = file_close,
};

struct source *file_new(struct event_base *loop, const struct file_options *options, struct error *err)
{
	struct file_source *s;

	BUG_IF(options->workers < 1 || options->worker < 0 || options->worker >= options->workers);
	for (size_t i = 0; i < options->path_count; i++)
		for (size_t k = 0; k < i; k++)
			if (strcmp(options->paths[i], "-") == 0 && strcmp(options->paths[k], "-") == 0) {
				error_set(err, "standard input (\"-\") stands twice among the paths of the file source");
				return NULL;
			}
	s = calloc(1, sizeof *s);
	BUG_IF(!s);
	s->source.ops = &file_ops;
	s->loop = loop;
	s->wake = event_new(loop, -1, 0, on_wake, s);
	BUG_IF(!s->wake);
	s->files = arena_zalloc(&s->arena, options->path_count * sizeof *s->files);
	for (size_t i = 0; i < options->path_count; i++) {
		struct file *file = &s->files[s->count];

		if ((int32_t)(i % (size_t)options->workers) != options->worker)
			continue;
		file->source = s;
		file->id = (uint32_t)i;
		file->path = arena_copy(&s->arena, slice_of(options->paths[i])).p;
		file->name = arena_copy(&s->arena, slice_of(options->names[i]));
		for (size_t k = 0; k < i; k++)
			file->occurrence += strcmp(options->names[i], options->names[k]) == 0;
		s->count++;
	}
	if (options->topic)
		s->record.topic = arena_copy(&s->arena, slice_of(options->topic));
	if (options->key_separator)
		s->record.separator = arena_copy(&s->arena, slice_of(options->key_separator));
	if (options->kcat)
		s->record.envelope = file_envelope_new();
	/* Several workers would draw over each other. */
	s->bar_wanted = options->progress_bar && options->workers == 1;
	return &s->source;
}
