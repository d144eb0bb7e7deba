-- What the stand-in for the orders database starts with: production's schema and a few rows that anybody may see.

CREATE TABLE orders (
    id        text PRIMARY KEY,
    item      text NOT NULL,
    quantity  integer NOT NULL CHECK (quantity > 0),
    email     text NOT NULL,
    placed_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX orders_by_item ON orders (item);

INSERT INTO orders (id, item, quantity, email) VALUES
    ('o-seed-1', 'tent', 1, 'ann@example.com'),
    ('o-seed-2', 'stove', 2, 'bob@example.com'),
    ('o-seed-3', 'rope', 1, 'cy@example.com');
