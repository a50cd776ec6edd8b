#include "run/answer.h"

#include "run/metrics.h"

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
	} else if (strcmp(path, "/") == 0) {
		status_text(status, &reply->body);
	} else {
		reply->code = 404;
	}
}
