CREATE TABLE products (id INTEGER PRIMARY KEY, name TEXT, color TEXT, width INTEGER, height TEXT, first_tag TEXT, tags INTEGER, paper TEXT);
