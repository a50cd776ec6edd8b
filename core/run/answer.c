#include "run/answer.h"

#include "run/metrics.h"
#include "run/page_files.h"

static bool answer_file(const char *path, struct http_reply *reply)
{
	for (const struct page_file *file = page_files; file->path; file++) {
		if (strcmp(path, file->path) != 0)
			continue;
		reply->type = file->type;
		buf_append(&reply->body, file->text, file->size);
		return true;
	}
	return false;
}

void answer_path(const struct status *status, const char *path, struct http_reply *reply)
{
	reply->code = 200;
	if (strcmp(path, "/healthz") == 0) {
		buf_text(&reply->body, "ok\n");
	} else if (strcmp(path, "/readyz") == 0) {
		if (status_ready(status, &reply->body))
			buf_text(&reply->body, "ready");
		else
			reply->code = 503;
		buf_char(&reply->body, '\n');
	} else if (strcmp(path, "/metrics") == 0) {
		reply->type = "text/plain; version=0.0.4; charset=utf-8";
		metrics_write(status, &reply->body);
	} else if (strcmp(path, "/status") == 0) {
		reply->type = "application/json";
		status_json(status, &reply->body);
		buf_char(&reply->body, '\n');
	} else if (strcmp(path, "/status.txt") == 0) {
		status_text(status, &reply->body);
	} else if (!answer_file(path, reply)) {
		reply->code = 404;
	}
}
