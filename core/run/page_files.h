/* The page as it is in the program (core/run/page/ in the sources), made by page_files.lua. */
#ifndef RUN_PAGE_FILES_H
#define RUN_PAGE_FILES_H

#include <stddef.h>

struct page_file {
	const char *path; /* "/page.js"; the page itself is "/" */
	const char *type;
	const char *text;
	size_t size;
};

extern const struct page_file page_files[]; /* ends in one without a path */

#endif
