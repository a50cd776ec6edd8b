#include "io/fetch.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"

enum { TURN_MS = 10, CONNECT_MOST_MS = 5000, ANSWER_MOST_MS = 10000, BODY_MOST = 16 << 20, CONNECTIONS_MOST = 4, REDIRECTS_MOST = 5 };

struct fetch {
	struct fetches *fetches;
	struct fetch *next, **self;
	CURL *handle;
	struct buf body;
	char reason[CURL_ERROR_SIZE];
	void (*done)(void *ctx, long status, struct slice body, const char *reason);
	void *ctx;
};

/* Fetches are few and short (a schema is fetched once), so while there are any the loop looks after them every few milliseconds. */
struct fetches {
	CURLM *multi;
	struct event *turn;
	struct fetch *first;
	struct curl_slist *headers;
	char *user, *password, *ca;
};

static void schedule(struct fetches *fetches)
{
	struct timeval soon = { 0, TURN_MS * 1000 };

	if (fetches->first)
		event_add(fetches->turn, &soon);
}

static void fetch_free(struct fetch *fetch)
{
	*fetch->self = fetch->next;
	if (fetch->next)
		fetch->next->self = fetch->self;
	curl_multi_remove_handle(fetch->fetches->multi, fetch->handle);
	curl_easy_cleanup(fetch->handle);
	buf_free(&fetch->body);
	free(fetch);
}

static void finish(struct fetch *fetch, CURLcode result)
{
	const char *reason = fetch->reason[0] ? fetch->reason : curl_easy_strerror(result);
	long status = 0;

	if (result == CURLE_OK)
		curl_easy_getinfo(fetch->handle, CURLINFO_RESPONSE_CODE, &status);
	buf_cstr(&fetch->body);
	fetch->done(fetch->ctx, status, buf_view(&fetch->body), result == CURLE_OK ? "" : reason);
	fetch_free(fetch);
}

static void on_turn(evutil_socket_t fd, short what, void *ctx)
{
	struct fetches *fetches = ctx;
	CURLMsg *message;
	int running, left;

	(void)fd, (void)what;
	curl_multi_perform(fetches->multi, &running);
	while ((message = curl_multi_info_read(fetches->multi, &left))) {
		struct fetch *fetch;

		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&fetch);
		finish(fetch, message->data.result);
	}
	schedule(fetches);
}

static size_t on_body(char *bytes, size_t size, size_t count, void *ctx)
{
	struct fetch *fetch = ctx;

	(void)size; /* 1 */
	if (fetch->body.n + count > BODY_MOST) {
		snprintf(fetch->reason, sizeof fetch->reason, "an answer of more than %d MB", BODY_MOST >> 20);
		return 0;
	}
	buf_append(&fetch->body, bytes, count);
	return count;
}

void fetch_start(struct fetches *fetches, const char *url, void (*done)(void *ctx, long status, struct slice body, const char *reason), void *ctx)
{
	struct fetch *fetch = calloc(1, sizeof *fetch);

	BUG_IF(!fetch);
	*fetch = (struct fetch){ .fetches = fetches, .next = fetches->first, .self = &fetches->first, .done = done, .ctx = ctx };
	if (fetches->first)
		fetches->first->self = &fetch->next;
	fetches->first = fetch;
	fetch->handle = curl_easy_init();
	BUG_IF(!fetch->handle);
	curl_easy_setopt(fetch->handle, CURLOPT_URL, url);
#if LIBCURL_VERSION_NUM >= 0x075500
	curl_easy_setopt(fetch->handle, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(fetch->handle, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
#else
	curl_easy_setopt(fetch->handle, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
	curl_easy_setopt(fetch->handle, CURLOPT_REDIR_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
	curl_easy_setopt(fetch->handle, CURLOPT_FOLLOWLOCATION, 1L);
	curl_easy_setopt(fetch->handle, CURLOPT_MAXREDIRS, (long)REDIRECTS_MOST);
	curl_easy_setopt(fetch->handle, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(fetch->handle, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MOST_MS);
	curl_easy_setopt(fetch->handle, CURLOPT_TIMEOUT_MS, (long)ANSWER_MOST_MS);
	curl_easy_setopt(fetch->handle, CURLOPT_HTTPHEADER, fetches->headers);
	curl_easy_setopt(fetch->handle, CURLOPT_ACCEPT_ENCODING, "");
	curl_easy_setopt(fetch->handle, CURLOPT_USERAGENT, "streamlua/" STREAMLUA_VERSION);
	curl_easy_setopt(fetch->handle, CURLOPT_ERRORBUFFER, fetch->reason);
	curl_easy_setopt(fetch->handle, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(fetch->handle, CURLOPT_WRITEDATA, fetch);
	curl_easy_setopt(fetch->handle, CURLOPT_PRIVATE, fetch);
	if (fetches->user) {
		curl_easy_setopt(fetch->handle, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
		curl_easy_setopt(fetch->handle, CURLOPT_USERNAME, fetches->user);
		curl_easy_setopt(fetch->handle, CURLOPT_PASSWORD, fetches->password);
	}
	if (fetches->ca)
		curl_easy_setopt(fetch->handle, CURLOPT_CAINFO, fetches->ca);
	curl_multi_add_handle(fetches->multi, fetch->handle);
	schedule(fetches);
}

static char *copy(const char *text)
{
	char *made = text ? strdup(text) : NULL;

	BUG_IF(text && !made);
	return made;
}

struct fetches *fetches_new(struct event_base *loop, const struct fetch_options *options, struct error *err)
{
	struct fetches *fetches;

	if (options->ca && access(options->ca, R_OK) != 0) {
		error_set(err, "%s: %s", options->ca, strerror(errno));
		return NULL;
	}
	fetches = calloc(1, sizeof *fetches);
	BUG_IF(!fetches || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK);
	fetches->multi = curl_multi_init();
	fetches->turn = event_new(loop, -1, 0, on_turn, fetches);
	BUG_IF(!fetches->multi || !fetches->turn);
	curl_multi_setopt(fetches->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)CONNECTIONS_MOST);
	fetches->headers = curl_slist_append(NULL, "Accept: application/vnd.schemaregistry.v1+json, application/json");
	fetches->user = copy(options->user);
	fetches->password = copy(options->password ? options->password : "");
	fetches->ca = copy(options->ca);
	return fetches;
}

void fetches_free(struct fetches *fetches)
{
	if (!fetches)
		return;
	while (fetches->first)
		fetch_free(fetches->first);
	event_free(fetches->turn);
	curl_multi_cleanup(fetches->multi);
	curl_slist_free_all(fetches->headers);
	free(fetches->user);
	free(fetches->password);
	free(fetches->ca);
	free(fetches);
	curl_global_cleanup();
}

char *fetch_escape(struct slice text)
{
	char *escaped = curl_easy_escape(NULL, text.p, (int)text.n), *made = copy(escaped);

	BUG_IF(!escaped);
	curl_free(escaped);
	return made;
}

int fetch_check_url(const char *url, struct error *err)
{
	CURLU *parts = curl_url();
	char *scheme = NULL;
	int result = 0;

	BUG_IF(!parts);
	if (curl_url_set(parts, CURLUPART_URL, url, 0) != CURLUE_OK || curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
	    (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0))
		result = error_set(err, "'%s' is no URL: write http://HOST:8081", url);
	curl_free(scheme);
	curl_url_cleanup(parts);
	return result;
}
