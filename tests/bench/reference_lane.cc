#include "reference_lane.h"

#include <algorithm>
#include <cstring>

namespace
{

constexpr size_t ROOM = 256 << 10; // of texts, before a batch asks for more
constexpr size_t SQL_ROOM = 1 << 20;
constexpr unsigned DEADLOCK = 1213; // the server has rolled back, and asks to try again

short events_of(int status)
{
	return (short)((status & MYSQL_WAIT_READ ? EV_READ : 0) | (status & MYSQL_WAIT_WRITE ? EV_WRITE : 0));
}

MYSQL *connect(const target &target)
{
	MYSQL *connection = mysql_init(nullptr);

	mysql_options(connection, MYSQL_OPT_NONBLOCK, nullptr);
	mysql_options(connection, MYSQL_SET_CHARSET_NAME, "utf8mb4");
	mysql_options(connection, MYSQL_INIT_COMMAND, "SET SESSION tx_isolation='READ-COMMITTED', time_zone='+00:00', foreign_key_checks=0");
	if (!mysql_real_connect(connection, target.host, target.user, target.password, target.database, target.port, nullptr,
				CLIENT_MULTI_STATEMENTS))
		die("connect", mysql_error(connection));
	return connection;
}

} // namespace

batch::batch(size_t partitions) : next_offsets(partitions, -1), room(ROOM), texts(room.data(), room.size())
{
	rows.reserve(ROWS_MOST);
	order.reserve(ROWS_MOST);
}

std::string_view batch::keep(std::string_view text)
{
	char *copy = (char *)texts.allocate(text.size(), 1);

	memcpy(copy, text.data(), text.size());
	return { copy, text.size() };
}

void batch::keep(const row &from)
{
	rows.push_back(from);
	if (from.erased)
		return;

	row &kept = rows.back();
	kept.sku = keep(from.sku);
	kept.price = keep(from.price);
	kept.status = keep(from.status);
	if (!from.note_is_null)
		kept.note = keep(from.note);
	kept.updated_at = keep(from.updated_at);
}

void batch::pass(size_t partition, int64_t offset)
{
	next_offsets[partition] = offset + 1;
	passed++;
}

void batch::merge()
{
	size_t count = 0;

	order.resize(rows.size());
	for (size_t i = 0; i < rows.size(); i++)
		order[i] = (uint32_t)i;
	std::sort(order.begin(), order.end(), [this](uint32_t a, uint32_t b) { return rows[a].id != rows[b].id ? rows[a].id < rows[b].id : a < b; });
	for (size_t i = 0; i < order.size(); i++)
		if (i + 1 == order.size() || rows[order[i]].id != rows[order[i + 1]].id)
			order[count++] = order[i];
	order.resize(count);
	erased = (size_t)(std::stable_partition(order.begin(), order.end(), [this](uint32_t i) { return rows[i].erased; }) - order.begin());
}

void batch::write(std::string &sql, row_writer &writer, size_t lane) const
{
	const char *between = "";

	sql = "BEGIN;";
	for (size_t i = 0; i < erased; i++) {
		sql += i ? "," : "DELETE FROM orders WHERE id IN (";
		write_int(sql, rows[order[i]].id);
	}
	if (erased)
		sql += ");";
	for (size_t i = erased; i < order.size(); i++) {
		if (i == erased)
			sql.append("INSERT INTO orders (").append(row_writer::COLUMNS).append(") VALUES ");
		else
			sql += ',';
		writer.write(sql, rows[order[i]]);
	}
	if (erased < order.size())
		sql.append(" ON DUPLICATE KEY UPDATE ").append(row_writer::UPDATES).append(";");
	sql += "INSERT INTO progress VALUES ";
	for (size_t p = 0; p < next_offsets.size(); p++) {
		if (next_offsets[p] < 0)
			continue;
		sql.append(between).append("(");
		write_int(sql, (int64_t)lane);
		sql += ',';
		write_int(sql, (int64_t)p);
		sql += ',';
		write_int(sql, next_offsets[p]);
		sql += ')';
		between = ",";
	}
	sql += " ON DUPLICATE KEY UPDATE next_offset=VALUES(next_offset);COMMIT";
}

void batch::clear()
{
	rows.clear();
	passed = 0;
	std::fill(next_offsets.begin(), next_offsets.end(), -1);
	texts.release();
}

lane::lane(event_base *loop, size_t number_, const target &target, size_t partitions, void (*on_free_)(void *ctx), void *ctx_)
    : number(number_), on_free(on_free_), ctx(ctx_)
{
	for (batch *&one : batches)
		one = new batch(partitions);
	if (!target.host)
		return;
	sql.reserve(SQL_ROOM);
	connection = connect(target);
	ready = event_new(loop, mysql_get_socket(connection), 0, on_ready, this);
}

lane::~lane()
{
	for (batch *one : batches)
		delete one;
	if (ready)
		event_free(ready);
	if (connection)
		mysql_close(connection);
}

void lane::turn(bool all)
{
	batch &last = gathering();

	if (last.full() || (all && waiting == 0 && !last.empty()))
		waiting++;
	if (waiting > 0 && at == step::idle)
		begin();
}

void lane::begin()
{
	batch &oldest = *batches[first];

	oldest.merge();
	if (!connection) {
		committed();
		return;
	}
	oldest.write(sql, writer, number);
	send();
}

void lane::send()
{
	int failed;

	at = step::query;
	wait(mysql_real_query_start(&failed, connection, sql.data(), sql.size()));
}

// Either there is something to wait for, or the step has ended.
void lane::wait(int status)
{
	if (status) {
		event_assign(ready, event_get_base(ready), mysql_get_socket(connection), events_of(status), on_ready, this);
		event_add(ready, nullptr);
	} else {
		go_on(0);
	}
}

void lane::go_on(int status)
{
	int failed = 0, more;

	if (status) {
		status = at == step::query ? mysql_real_query_cont(&failed, connection, status) : mysql_next_result_cont(&failed, connection, status);
		if (status) {
			wait(status);
			return;
		}
	}
	// The answers of all statements have most often arrived with the first.
	while (!mysql_errno(connection) && mysql_more_results(connection)) {
		at = step::result;
		more = mysql_next_result_start(&failed, connection);
		if (more) {
			wait(more);
			return;
		}
	}
	if (mysql_errno(connection) == DEADLOCK) {
		send();
		return;
	}
	if (mysql_errno(connection))
		die("transaction", mysql_error(connection));
	committed();
}

void lane::committed()
{
	batches[first]->clear();
	first = (first + 1) % batches.size();
	waiting--;
	at = step::idle;
	transactions++;
	if (connection)
		on_free(ctx);
}

void lane::on_ready(evutil_socket_t, short what, void *self)
{
	static_cast<lane *>(self)->go_on((what & EV_READ ? MYSQL_WAIT_READ : 0) | (what & EV_WRITE ? MYSQL_WAIT_WRITE : 0));
}
