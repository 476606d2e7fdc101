-- +goose Up
-- Wrong passwords by name and address, for all replicas. The pair is hashed: people type passwords
-- into the name field, and they are not for keeping.
CREATE TABLE sign_in_failures (
  pair           BINARY(32)       NOT NULL,
  failures       TINYINT UNSIGNED NOT NULL,
  last_failed_at DATETIME(6)      NOT NULL,
  PRIMARY KEY (pair),
  KEY sign_in_failures_last (last_failed_at)
) DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_0900_ai_ci;
