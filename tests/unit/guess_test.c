#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "flow/guess.h"
#include "support/decoding.h"

static enum guess guess(struct decoding *d, const char *value)
{
	d->message.value = decoding_text(d, slice_of(quoted(d, value)));
	return guess_of_message(&d->decoder, &d->message);
}

static void messages_are_told_apart(void **state)
{
	static const struct {
		const char *value;
		enum guess guess;
	} cases[] = {
		{ "{'before':null,'after':{'id':1},'source':{'db':'shop'},'op':'c'}", GUESS_DEBEZIUM },
		{ "{'schema':{'type':'struct'},'payload':{'after':{'id':1},'op':'c'}}", GUESS_DEBEZIUM },
		{ "{'schema':{'type':'struct'},'payload':{'id':1}}", GUESS_DEBEZIUM },
		{ "{'source':{},'databaseName':'d','ddl':'x','tableChanges':[]}", GUESS_DEBEZIUM },
		{ "{'id':1,'__deleted':'false'}", GUESS_FLAT },
		{ "{'database':'shop','table':'t','type':'insert','ts':1,'data':{'id':1}}", GUESS_MAXWELL },
		{ "{'database':'shop','table':'t','type':'table-create','def':{}}", GUESS_MAXWELL },
		{ "{'database':'shop','table':'t','type':'INSERT','data':[{'id':'1'}],'isDdl':false}", GUESS_CANAL },
		{ "{'database':'shop','table':'t','type':'INSERT','data':[{'id':1}],'pkNames':['id']}", GUESS_CANAL },
		{ "{'database':'shop','table':'t','type':'INSERT','data':[{'id':'1'}],'isDdl':false,'_tidb':{'commitTs':1}}", GUESS_TICDC },
		{ "{'version':1,'database':'shop','table':'t','type':'INSERT','commitTs':1,'data':{'id':'1'}}", GUESS_TICDC },
		{ "{'table':'S.T','op_type':'I','after':{'ID':1}}", GUESS_GOLDENGATE },
		{ "{'data':{'id':1},'metadata':{'record-type':'data','operation':'insert'}}", GUESS_DMS },
		{ "{'ts_ms':1}", GUESS_NEUTRAL },
		{ "{'status':'END','id':'7','event_count':1,'data_collections':[]}", GUESS_NEUTRAL },
		{ "", GUESS_NEUTRAL },
		{ "null", GUESS_NEUTRAL },
		{ "{'id':1,'op':'c','type':'x'}", GUESS_PLAIN },
		{ "{'id':1,'database':'d','table':'t','type':'insert','data':'text'}", GUESS_PLAIN },
		{ "{'id':1,'type':'INSERT','data':[1]}", GUESS_PLAIN },
		{ "{'payload':{'x':1},'schema':5,'id':1}", GUESS_PLAIN },
		{ "{'payload':5,'metadata':5,'source':5}", GUESS_PLAIN },
		{ "[1]", GUESS_PLAIN },
		{ "{'id':", GUESS_NEUTRAL },
		{ "5", GUESS_NEUTRAL },
	};
	struct decoding d;

	(void)state;
	decoding_open(&d, NULL);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		if (guess(&d, cases[i].value) != cases[i].guess)
			fail_msg("%s is %s, not %s", cases[i].value, guess_name(guess(&d, cases[i].value)), guess_name(cases[i].guess));
	d.message.value = (struct slice){ "\0\0\0\0\7x", 6 };
	assert_int_equal(guess_of_message(&d.decoder, &d.message), GUESS_AVRO);
	d.message.key = (struct slice){ "\0\0\0\0\0\0\0\1", 8 };
	assert_int_equal(guess_of_message(&d.decoder, &d.message), GUESS_TICDC);
	decoding_close(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(messages_are_told_apart) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
