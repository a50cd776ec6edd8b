/* A job: what job.lua says, its scripts compiled in a VM, and the source and sink it names. */
#ifndef RUN_JOB_H
#define RUN_JOB_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "flow/bundle.h"

/* What the command line adds to job.lua. Strings are borrowed from argv. */
struct run_options {
	const char *job_path;
	int32_t workers; /* 0: one */
	bool watch, diff, dry_run;
	const char *from;   /* NULL, "earliest", "latest" or a time (flow/... START_*) */
	bool reset_state;   /* with from: what scripts keep is deleted */
	const char *until;  /* NULL, "latest" or a time */
	int64_t max_events; /* 0: no limit */
	const char *http;   /* "HOST:PORT" or "off"; NULL: 127.0.0.1:8686 where that is free */
	bool log_json;
	bool delete_rows;     /* state: what it would show */
	const char *pid_file; /* NULL: a file of our own choice (run/pidfile.h) */
};

struct job; /* one VM with job.lua evaluated and all scripts compiled */

/* The job of a job.lua on disk. What it reads, that and its scripts, is put into the bundle, which is sealed and has to outlive the job: what the
 * master does at start and at each reload. Does not touch the outside but for files. NULL: err names file, line and reason; the bundle is
 * empty then. */
struct job *job_read(struct bundle *bundle, const char *job_path, struct error *err);

/* The same for a folder that holds scripts and no job.lua, with a job made for it: its examples can be run. */
struct job *job_read_scripts(struct bundle *bundle, const char *folder, struct error *err);

/* A worker's job, from a sealed bundle: what its scripts work on is told, and what is suspect handled with care (flow/script_watch.h). job_load
 * loads its scripts. NULL with err. */
struct script_watch;
struct suspects;
struct job *job_begin(const struct bundle *bundle, struct script_watch *watch, const struct suspects *suspects, struct error *err);
/* The next of its scripts, which it has before anything else is done with it. 1: there may be more, 0: it has them all, -1. */
int job_load(struct job *job, struct error *err);
void job_free(struct job *job);
const char *job_name(const struct job *job);
const char *job_sink_name(const struct job *job); /* "tidb", "sqlite" ... */
uint32_t job_script_count(const struct job *job);
bool job_is_bounded(const struct job *job); /* a file source */
/* job.lua's source and sink as text: where it differs between two bundles, a reload cannot take it over and says so. */
const char *job_outside(const struct job *job);

/* Events of some of its scripts go through topics that we keep: `repartition`, and a source that has partitions. */
bool job_rekeys(const struct job *job);
/* Makes those topics where they are missing, and says so; with `empty` what they hold is deleted. Blocks. */
int job_make_topics(struct job *job, bool empty, struct error *err);

/* Before a run; the same without making streamlua's own tables; for those who write the scripts: what else is found in them, too. */
enum job_checking { JOB_STARTS, JOB_LOOKS, JOB_TELLS };

/* Checks the job against the outside: opens the sink, describes every target, runs every script's examples. Blocks.
 * `report` (may be NULL) gets one line of text for each script on what it will write, each warning and each hint.
 * -1: the first thing that is wrong, with file and line. */
int job_check(struct job *job, enum job_checking checking, void (*report)(void *ctx, const char *line), void *ctx, struct error *err);

/* What these options must not do to a job that keeps state. Before job_check. */
int job_check_state(struct job *job, const struct run_options *options, bool first, struct error *err);

/* Forgets how far the job has come, so that it begins where its source says (--from), and with `state` what its scripts keep. Blocks. After
 * job_check. */
int job_forget(struct job *job, bool state, struct error *err);

/* Runs the scripts' examples, without any sink. Counts into passed and failed, a line to report for each failure. */
int job_test(struct job *job, void (*report)(void *ctx, const char *line), void *ctx, uint32_t *passed, uint32_t *failed, struct error *err);
/* Whether a file is a test of scripts, by its name. */
bool job_is_test(const char *name);
/* The same for the *_test.lua files that stand beside the scripts (only: that one alone, by its absolute path; NULL: all of them). They are
 * read into the bundle, which must be nobody else's. */
int job_test_files(struct job *job, const char *only, void (*report)(void *ctx, const char *line), void *ctx, uint32_t *passed, uint32_t *failed,
		   struct error *err);

#endif
