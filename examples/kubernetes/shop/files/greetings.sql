CREATE TABLE IF NOT EXISTS greetings (id serial PRIMARY KEY, text text UNIQUE NOT NULL);
INSERT INTO greetings (text) VALUES (:'greeting') ON CONFLICT DO NOTHING;
SELECT string_agg(text, ', ' ORDER BY id) FROM greetings;
