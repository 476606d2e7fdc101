-- +goose Up
-- The name is unique with case and accents folded: that is what utf8mb4_0900_ai_ci compares by.
-- The limits are those of app/cafe/game.go; the forms check them first.
CREATE TABLE board_games (
  id          BIGINT UNSIGNED   NOT NULL AUTO_INCREMENT,
  name        VARCHAR(150)      NOT NULL,
  copies      SMALLINT UNSIGNED NOT NULL,
  min_players SMALLINT UNSIGNED NOT NULL,
  max_players SMALLINT UNSIGNED NOT NULL,
  minutes     SMALLINT UNSIGNED NOT NULL,
  shelf       VARCHAR(200)      NOT NULL,
  version     INT UNSIGNED      NOT NULL DEFAULT 1,
  PRIMARY KEY (id),
  UNIQUE KEY board_games_name (name),
  CONSTRAINT board_games_named   CHECK (name <> ''),
  CONSTRAINT board_games_copies  CHECK (copies BETWEEN 1 AND 99),
  CONSTRAINT board_games_players CHECK (min_players >= 1 AND max_players BETWEEN min_players AND 100),
  CONSTRAINT board_games_minutes CHECK (minutes BETWEEN 1 AND 1440)
) DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_0900_ai_ci;
