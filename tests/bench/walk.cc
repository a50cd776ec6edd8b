#include <simdjson.h>

extern "C" {
#include "walk.h"
}

using namespace simdjson;

struct walker {
	ondemand::parser parser;
	uint64_t sum;
};

extern "C" struct walker *walk_new(void)
{
	return new struct walker();
}

extern "C" void walk_free(struct walker *walker)
{
	delete walker;
}

static bool visit(struct walker *walker, ondemand::value value);

static bool visit_object(struct walker *walker, ondemand::object object)
{
	for (auto &&result : object) {
		ondemand::field field;
		std::string_view name;

		if (std::move(result).get(field) || field.unescaped_key().get(name))
			return false;
		walker->sum += name.size();
		/* It says the same as in the message before, and is skipped when nobody asks for it. */
		if (name == "schema")
			continue;
		if (!visit(walker, field.value()))
			return false;
	}
	return true;
}

static bool visit_array(struct walker *walker, ondemand::array array)
{
	for (auto &&result : array) {
		ondemand::value element;

		if (std::move(result).get(element) || !visit(walker, element))
			return false;
	}
	return true;
}

static bool visit(struct walker *walker, ondemand::value value)
{
	ondemand::json_type type;
	ondemand::object object;
	ondemand::array array;
	std::string_view text;

	if (value.type().get(type))
		return false;
	switch (type) {
	case ondemand::json_type::object:
		return !value.get_object().get(object) && visit_object(walker, object);
	case ondemand::json_type::array:
		return !value.get_array().get(array) && visit_array(walker, array);
	case ondemand::json_type::string:
		if (value.get_string().get(text))
			return false;
		break;
	default:
		text = value.raw_json_token();
	}
	walker->sum += text.size();
	return true;
}

extern "C" uint64_t walk_text(struct walker *walker, struct slice text)
{
	ondemand::document document;
	ondemand::object object;

	walker->sum = 1;
	if (walker->parser.iterate(text.p, text.n, text.n + SIMDJSON_PADDING).get(document) || document.get_object().get(object) ||
	    !visit_object(walker, object))
		return 0;
	return walker->sum;
}
