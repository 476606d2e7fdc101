-- +goose Up
-- Sessions that somebody ended before their cookie's time was over, for all replicas: a copy of the cookie
-- opens nothing any more. The session is a hash of its id. The release before neither reads nor writes it.
CREATE TABLE ended_sessions (
  session  BINARY(32)  NOT NULL,
  ended_at DATETIME(6) NOT NULL,
  PRIMARY KEY (session),
  KEY ended_sessions_at (ended_at)
) DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_0900_ai_ci;
