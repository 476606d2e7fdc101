-- +goose Up
-- One game, many customers. A reservation stands while finished_at is null; the queue of a game is
-- its standing reservations in the order of reserved_at, id. Every list reads an index that begins
-- with what it selects by and goes on with what it sorts by, so that a page costs a page.
--
-- customers_game must be there and come before customers_queue: InnoDB checks a foreign key by the
-- first index that begins with it, and skips the check when any column of that index is null. With
-- customers_queue alone a customer could reserve a game that does not exist (seen with 9.7.4).
CREATE TABLE customers (
  id           BIGINT UNSIGNED   NOT NULL AUTO_INCREMENT,
  name         VARCHAR(100)      NOT NULL,
  table_number SMALLINT UNSIGNED NOT NULL,
  game_id      BIGINT UNSIGNED   NOT NULL,
  reserved_at  DATETIME(6)       NOT NULL,
  finished_at  DATETIME(6)       NULL,
  version      INT UNSIGNED      NOT NULL DEFAULT 1,
  PRIMARY KEY (id),
  KEY customers_game     (game_id),
  KEY customers_queue    (game_id, finished_at, reserved_at, id),
  KEY customers_by_time  (finished_at, reserved_at, id),
  KEY customers_by_name  (finished_at, name, reserved_at, id),
  KEY customers_by_table (finished_at, table_number, reserved_at, id),
  CONSTRAINT customers_named CHECK (name <> ''),
  CONSTRAINT customers_table CHECK (table_number BETWEEN 1 AND 200),
  CONSTRAINT customers_game  FOREIGN KEY (game_id) REFERENCES board_games (id) ON DELETE RESTRICT
) DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_0900_ai_ci;
