// The yardstick: the job of the benchmark without Lua, as good as one can plainly write it for this one table. One thread, one
// loop, messages decoded in place, eight connections with a transaction on its way each. What it leaves out is what a program for
// one table does not need: schemas, scripts, dead letters, retries, takeover.
#include <getopt.h>
#include <librdkafka/rdkafka.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "reference_lane.h"

namespace
{

constexpr size_t LANES = 8;
constexpr size_t TAKEN_AT_ONCE = 512;
constexpr size_t TURN_MOST = 8192; // messages, before the loop looks at its connections
constexpr int ASK_MS = 10000;

struct partition {
	int64_t offset = 0, end = 0;
};

struct program {
	const char *brokers = nullptr, *topic_name = nullptr;
	struct target target;

	event_base *loop = nullptr;
	event *arrived = nullptr; // librdkafka's queue has something
	event *again = nullptr;
	rd_kafka_t *rk = nullptr;
	rd_kafka_topic_t *topic = nullptr;
	rd_kafka_queue_t *queue = nullptr;
	int wake_fd = -1;
	std::vector<partition> partitions;
	std::vector<std::unique_ptr<lane>> lanes;
	row_decoder decoder;
	size_t unread = 0; // partitions that are not at their end
	uint64_t messages = 0, filtered = 0;
};

// Neighbouring ids go to different lanes.
size_t lane_of(int64_t id)
{
	return (size_t)(((uint64_t)id * 0x9e3779b97f4a7c15u) >> 61);
}
static_assert(LANES == 8, "lane_of takes three bits");

void take(program &p, const rd_kafka_message_t *m)
{
	row row;

	if (m->err)
		die("consume", rd_kafka_message_errstr(m));
	if (!p.decoder.decode(m->payload, m->len, row))
		die("decode", "this is no message of the sample");

	batch &batch = p.lanes[lane_of(row.id)]->gathering();
	partition &from = p.partitions[(size_t)m->partition];

	if (row.status == "test")
		p.filtered++;
	else
		batch.keep(row);
	batch.pass((size_t)m->partition, m->offset);
	p.messages++;
	from.offset = m->offset + 1;
	if (from.offset == from.end)
		p.unread--;
}

bool has_room(const program &p)
{
	for (const auto &lane : p.lanes)
		if (!lane->has_room())
			return false;
	return true;
}

// Reads what there is room for, and sends what is full; where nothing is left to read, all there is.
void turn(void *ctx)
{
	program &p = *(program *)ctx;
	rd_kafka_message_t *taken[TAKEN_AT_ONCE];
	size_t read = 0;
	ssize_t count = 0;
	bool idle;

	while (p.unread > 0 && read < TURN_MOST && has_room(p)) {
		count = rd_kafka_consume_batch_queue(p.queue, 0, taken, TAKEN_AT_ONCE);
		if (count <= 0)
			break;
		for (ssize_t i = 0; i < count; i++) {
			take(p, taken[i]);
			rd_kafka_message_destroy(taken[i]);
		}
		read += (size_t)count;
		for (auto &lane : p.lanes)
			lane->turn(false);
	}
	if (read >= TURN_MOST)
		event_active(p.again, EV_TIMEOUT, 0);
	idle = p.unread == 0;
	for (auto &lane : p.lanes) {
		lane->turn(count <= 0 || p.unread == 0);
		idle = idle && lane->idle();
	}
	if (idle)
		event_base_loopbreak(p.loop);
}

void on_again(evutil_socket_t, short, void *ctx)
{
	turn(ctx);
}

void on_arrived(evutil_socket_t fd, short, void *ctx)
{
	uint64_t count;

	if (read(fd, &count, sizeof count) < 0)
		return;
	turn(ctx);
}

void on_lane_free(void *ctx)
{
	event_active(((program *)ctx)->again, EV_TIMEOUT, 0);
}

void open_kafka(program &p)
{
	// A queue that was full is fetched for again only once a second: it has room for more than is read in one.
	static const char *const properties[][2] = {
		{ "queued.min.messages", "1000000" },
		{ "queued.max.messages.kbytes", "196608" },
		{ "fetch.max.bytes", "16777216" },
		{ "fetch.wait.max.ms", "20" }, // what ends behind the last fetch waits for it
	};
	static const uint64_t one = 1;
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	const rd_kafka_metadata_t *metadata;
	char why[256];

	if (rd_kafka_conf_set(conf, "bootstrap.servers", p.brokers, why, sizeof why))
		die(p.brokers, why);
	for (const auto &property : properties)
		if (rd_kafka_conf_set(conf, property[0], property[1], why, sizeof why))
			die(property[0], why);
	p.rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof why);
	if (!p.rk)
		die(p.brokers, why);
	p.topic = rd_kafka_topic_new(p.rk, p.topic_name, nullptr);
	if (rd_kafka_resp_err_t err = rd_kafka_metadata(p.rk, 0, p.topic, &metadata, ASK_MS))
		die(p.brokers, rd_kafka_err2str(err));
	p.partitions.resize((size_t)metadata->topics[0].partition_cnt);
	rd_kafka_metadata_destroy(metadata);
	if (p.partitions.empty())
		die(p.topic_name, "there is no such topic");

	p.queue = rd_kafka_queue_new(p.rk);
	p.wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	rd_kafka_queue_io_event_enable(p.queue, p.wake_fd, &one, sizeof one);
	for (size_t i = 0; i < p.partitions.size(); i++) {
		partition &one_of = p.partitions[i];

		if (rd_kafka_resp_err_t err = rd_kafka_query_watermark_offsets(p.rk, p.topic_name, (int32_t)i, &one_of.offset, &one_of.end, ASK_MS))
			die(p.topic_name, rd_kafka_err2str(err));
		p.unread += one_of.offset < one_of.end;
		if (rd_kafka_consume_start_queue(p.topic, (int32_t)i, one_of.offset, p.queue))
			die(p.topic_name, rd_kafka_err2str(rd_kafka_last_error()));
	}
}

void close_kafka(program &p)
{
	for (size_t i = 0; i < p.partitions.size(); i++)
		rd_kafka_consume_stop(p.topic, (int32_t)i);
	rd_kafka_queue_destroy(p.queue);
	rd_kafka_topic_destroy(p.topic);
	rd_kafka_destroy(p.rk);
	close(p.wake_fd);
}

// With all its rows: transactions only update them, and do not wait for each other's gaps.
void make_progress(const struct target &target, size_t partitions)
{
	MYSQL *connection = mysql_init(nullptr);
	std::string rows = "INSERT IGNORE INTO progress VALUES ";

	for (size_t lane = 0; lane < LANES; lane++)
		for (size_t p = 0; p < partitions; p++)
			rows += (rows.back() == ')' ? ",(" : "(") + std::to_string(lane) + "," + std::to_string(p) + ",-1)";
	if (!mysql_real_connect(connection, target.host, target.user, target.password, target.database, target.port, nullptr, 0) ||
	    mysql_query(connection, "CREATE TABLE IF NOT EXISTS progress (lane INT, kafka_partition INT, next_offset BIGINT NOT NULL, "
				    "PRIMARY KEY (lane, kafka_partition))") ||
	    mysql_query(connection, rows.c_str()))
		die("progress", mysql_error(connection));
	mysql_close(connection);
}

[[noreturn]] void usage()
{
	fprintf(stderr, "usage: reference --brokers HOST:PORT --topic NAME\n"
			"                 (--blackhole | --host H --port N --user U --password P --database D)\n");
	exit(2);
}

void read_options(program &p, int argc, char **argv)
{
	static const struct option known[] = {
		{ "brokers", required_argument, nullptr, 'b' },
		{ "topic", required_argument, nullptr, 't' },
		{ "blackhole", no_argument, nullptr, 'x' },
		{ "host", required_argument, nullptr, 'h' },
		{ "port", required_argument, nullptr, 'p' },
		{ "user", required_argument, nullptr, 'u' },
		{ "password", required_argument, nullptr, 'w' },
		{ "database", required_argument, nullptr, 'd' },
		{ nullptr, 0, nullptr, 0 },
	};
	bool blackhole = false;
	int option;

	while ((option = getopt_long(argc, argv, "", known, nullptr)) != -1) {
		switch (option) {
		case 'b':
			p.brokers = optarg;
			break;
		case 't':
			p.topic_name = optarg;
			break;
		case 'x':
			blackhole = true;
			break;
		case 'h':
			p.target.host = optarg;
			break;
		case 'p':
			p.target.port = (unsigned)atoi(optarg);
			break;
		case 'u':
			p.target.user = optarg;
			break;
		case 'w':
			p.target.password = optarg;
			break;
		case 'd':
			p.target.database = optarg;
			break;
		default:
			usage();
		}
	}
	if (optind != argc || !p.brokers || !p.topic_name || blackhole == (p.target.host != nullptr))
		usage();
}

} // namespace

void die(const char *what, const char *why)
{
	fprintf(stderr, "reference: %s: %s\n", what, why);
	exit(1);
}

int main(int argc, char **argv)
{
	program p;
	size_t transactions = 0;

	read_options(p, argc, argv);
	p.loop = event_base_new();
	open_kafka(p);
	if (p.target.host)
		make_progress(p.target, p.partitions.size());
	for (size_t i = 0; i < LANES; i++)
		p.lanes.push_back(std::make_unique<lane>(p.loop, i, p.target, p.partitions.size(), on_lane_free, &p));
	p.arrived = event_new(p.loop, p.wake_fd, EV_READ | EV_PERSIST, on_arrived, &p);
	p.again = event_new(p.loop, -1, 0, on_again, &p);
	event_add(p.arrived, nullptr);
	event_active(p.again, EV_TIMEOUT, 0);
	event_base_dispatch(p.loop);

	for (auto &lane : p.lanes)
		transactions += lane->transactions;
	fprintf(stderr, "reference: %" PRIu64 " messages, %" PRIu64 " filtered, %zu transactions\n", p.messages, p.filtered, transactions);
	p.lanes.clear();
	event_free(p.arrived);
	event_free(p.again);
	event_base_free(p.loop);
	close_kafka(p);
	return 0;
}
