#include "reference_row.h"

#include <charconv>
#include <cstring>
#include <ctime>

namespace
{

constexpr int64_t DAY_MS = 86400 * 1000;

void write_text(std::string &sql, std::string_view text)
{
	size_t from = 0;

	sql += '\'';
	for (size_t i = 0; i < text.size(); i++) {
		if (text[i] != '\'' && text[i] != '\\' && text[i] != '\0')
			continue;
		sql.append(text, from, i - from);
		sql += '\\';
		sql += text[i] ? text[i] : '0';
		from = i + 1;
	}
	sql.append(text, from);
	sql += '\'';
}

void write_two(std::string &sql, int64_t number, char before)
{
	sql += before;
	sql += (char)('0' + number / 10);
	sql += (char)('0' + number % 10);
}

// "2023-11-14T22:13:20Z" for a TIMESTAMP of a session at UTC.
void write_timestamp(std::string &sql, std::string_view iso)
{
	size_t t = iso.find('T');

	sql += '\'';
	if (t == iso.npos || iso.back() != 'Z') {
		sql += iso; // the server refuses it
	} else {
		sql.append(iso, 0, t);
		sql += ' ';
		sql.append(iso, t + 1, iso.size() - t - 2);
	}
	sql += '\'';
}

} // namespace

void write_int(std::string &sql, int64_t number)
{
	char text[24];

	sql.append(text, std::to_chars(text, text + sizeof text, number).ptr);
}

bool row_decoder::decode(const void *message, size_t size, row &out)
{
	if (padded.size() < size + simdjson::SIMDJSON_PADDING)
		padded.resize(2 * size + simdjson::SIMDJSON_PADDING);
	memcpy(padded.data(), message, size);
	return !read(size, out);
}

simdjson::error_code row_decoder::read(size_t size, row &out)
{
	simdjson::ondemand::document document;
	simdjson::ondemand::object image;
	simdjson::ondemand::value note;
	std::string_view op;

	SIMDJSON_TRY(parser.iterate(padded.data(), size, padded.size()).get(document));
	SIMDJSON_TRY(document["op"].get(op));
	out.erased = op == "d";
	SIMDJSON_TRY(document[out.erased ? "before" : "after"].get(image));
	SIMDJSON_TRY(image.find_field("id").get(out.id));
	if (out.erased)
		return image.find_field("status").get(out.status);
	SIMDJSON_TRY(image.find_field("customer_id").get(out.customer_id));
	SIMDJSON_TRY(image.find_field("sku").get(out.sku));
	SIMDJSON_TRY(image.find_field("quantity").get(out.quantity));
	SIMDJSON_TRY(image.find_field("price").get(out.price));
	SIMDJSON_TRY(image.find_field("status").get(out.status));
	SIMDJSON_TRY(image.find_field("note").get(note));
	SIMDJSON_TRY(note.is_null().get(out.note_is_null));
	if (!out.note_is_null)
		SIMDJSON_TRY(note.get(out.note));
	SIMDJSON_TRY(image.find_field("created_at").get(out.created_ms));
	return image.find_field("updated_at").get(out.updated_at);
}

void row_writer::write_datetime(std::string &sql, int64_t ms)
{
	int64_t of_day = ms % DAY_MS;

	if (ms / DAY_MS != day) {
		time_t seconds = ms / 1000;
		struct tm tm;

		day = ms / DAY_MS;
		strftime(day_text, sizeof day_text, "%Y-%m-%d", gmtime_r(&seconds, &tm));
	}
	sql += '\'';
	sql += day_text;
	write_two(sql, of_day / 3600000, ' ');
	write_two(sql, of_day / 60000 % 60, ':');
	write_two(sql, of_day / 1000 % 60, ':');
	write_two(sql, of_day / 10 % 100, '.');
	sql += (char)('0' + of_day % 10);
	sql += '\'';
}

void row_writer::write(std::string &sql, const row &row)
{
	sql += '(';
	write_int(sql, row.id);
	sql += ',';
	write_int(sql, row.customer_id);
	sql += ',';
	write_text(sql, row.sku);
	sql += ',';
	write_int(sql, row.quantity);
	sql += ',';
	sql += row.price;
	sql += ',';
	write_text(sql, row.status);
	sql += ',';
	if (row.note_is_null)
		sql += "NULL";
	else
		write_text(sql, row.note);
	sql += ',';
	write_datetime(sql, row.created_ms);
	sql += ',';
	write_timestamp(sql, row.updated_at);
	sql += ')';
}
