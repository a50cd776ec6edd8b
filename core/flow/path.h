/* "a.b": what lies within a column that holds a JSON object, its members by their names, the elements of arrays by their numbers. */
#ifndef FLOW_PATH_H
#define FLOW_PATH_H

#include "flow/json.h"
#include "flow/shape.h"

enum { PATH_PARTS_MOST = 16 };

/* The column that a path begins in, where the shape has no column by the whole name: the longest that it begins with. -1: none; otherwise
 * rest is the path within it. */
int path_column(const struct shape *shape, struct slice path, struct slice *rest);
/* The node at the path; NULL where there is none. It is to be expanded down to there. */
const struct json_node *path_node(const struct json_node *nodes, const struct json_node *from, struct slice path);
/* The value within a column's, not read yet; ABSENT where it is not there, or where the column holds no JSON object. */
struct value path_value(struct json *json, const struct value *column, struct slice path, struct arena *arena);

#endif
