package cafe

import (
	"fmt"
	"time"
)

// Limits of a customer.
const (
	MaxCustomerName = 100 // characters
	MaxTable        = 200
)

// KeepFinished is how long a finished reservation can be put back. Then it is deleted: names are
// kept no longer than they are of use.
const KeepFinished = 24 * time.Hour

// Customer is somebody at a table who reserved a game.
type Customer struct {
	ID         uint64
	Name       string
	Table      int
	GameID     uint64
	ReservedAt time.Time // UTC, by the database's clock, to the microsecond
	FinishedAt time.Time // zero while the reservation stands
	Version    uint32    // counts the saves; see Stale
}

// Clean puts the texts into the form in which they are stored; call it before Validate.
func (c *Customer) Clean() { c.Name = CleanText(c.Name) }

// Validate returns an Invalid error that names every field which breaks a rule. Whether the game
// exists is for the storage to say.
func (c *Customer) Validate() error {
	k := check{}
	k.that(visible(c.Name), "name", "Enter the customer’s name")
	k.that(runes(c.Name) <= MaxCustomerName, "name", fmt.Sprintf("Shorten the name to %d characters", MaxCustomerName))
	k.that(c.Table >= 1 && c.Table <= MaxTable, "table", fmt.Sprintf("Enter a table number from 1 to %d", MaxTable))
	k.that(c.GameID != 0, "game", "Choose a game of the library")
	return k.err()
}

// Reservation is a customer with the place in the queue of the reserved game. The queue is in the
// order of ReservedAt, then ID; nothing else moves anybody.
type Reservation struct {
	Customer
	GameName string
	Copies   int // of the game
	Place    int // 1-based
}

// Playing tells whether the customer has a copy: the first Copies of a queue do, the rest wait.
func (r Reservation) Playing() bool { return r.Place <= r.Copies }

// Next tells whether the customer gets the next copy that comes back.
func (r Reservation) Next() bool { return r.Place == r.Copies+1 }

// Ahead is how many wait before this customer.
func (r Reservation) Ahead() int { return max(0, r.Place-r.Copies-1) }

// CustomerSort is a column by which reservations are listed.
type CustomerSort string

// The columns by which reservations can be sorted. By game means by the game's name and, within
// a game, by place.
const (
	CustomersByTime  CustomerSort = "time"
	CustomersByName  CustomerSort = "name"
	CustomersByTable CustomerSort = "table"
	CustomersByGame  CustomerSort = "game"
)

// CustomerFilter says which reservations a list shows, in which order. The zero value shows the
// first page of all, the longest waiting first.
type CustomerFilter struct {
	Query string // part of the customer's or the game's name
	Sort  CustomerSort
	Desc  bool
	Page  int // 1-based
}
