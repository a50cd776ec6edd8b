CREATE TABLE sessions (user TEXT, window_start TEXT, window_end TEXT, clicks INTEGER, first_page TEXT, last_page TEXT, pages INTEGER, PRIMARY KEY (user, window_start));
