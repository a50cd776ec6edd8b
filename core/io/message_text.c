#include "io/message_text.h"

#include "base/base64.h"
#include "base/utf8.h"
#include "flow/headers.h"

void message_put_text(struct buf *out, const char *name, struct slice text)
{
	buf_printf(out, ",\"%s\":", name);
	if (text.p)
		buf_json_string(out, text);
	else
		buf_text(out, "null");
}

void message_put_bytes(struct buf *out, const char *name, struct slice bytes)
{
	if (!bytes.p || utf8_valid(bytes)) {
		message_put_text(out, name, bytes);
		return;
	}
	buf_printf(out, ",\"%s_base64\":\"", name);
	base64_encode(out, bytes);
	buf_char(out, '"');
}

void message_put_record(struct buf *out, const struct message *message)
{
	buf_text(out, "{\"topic\":");
	buf_json_string(out, message->topic);
	buf_printf(out, ",\"partition\":%d,\"offset\":%lld", message->partition, (long long)message->offset);
	if (message->time_ms)
		buf_printf(out, ",\"tstype\":\"%s\",\"ts\":%lld", message->time_is_brokers ? "logappend" : "create", (long long)message->time_ms);
	buf_text(out, ",\"headers\":");
	headers_write(out, message);
	message_put_bytes(out, "key", message->key);
	message_put_bytes(out, "payload", message->value);
	buf_char(out, '}');
}
