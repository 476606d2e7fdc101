package cafe

import "fmt"

// Limits of a game. The forms and the table definitions use the same numbers.
const (
	MaxGameName  = 150 // characters; the longest in five real libraries has 84
	MaxCopies    = 99
	MaxPlayers   = 100
	MaxMinutes   = 1440
	MaxShelfNote = 200 // characters
)

// Game is one title of the café's library, of which there may be several copies.
type Game struct {
	ID         uint64
	Name       string // unique, with case and accents folded
	Copies     int
	MinPlayers int
	MaxPlayers int
	Minutes    int
	Shelf      string // where it stands, what is missing; may be empty
	Version    uint32 // counts the saves; see Stale
}

// Clean puts the texts into the form in which they are stored; call it before Validate.
func (g *Game) Clean() {
	g.Name = CleanText(g.Name)
	g.Shelf = CleanText(g.Shelf)
}

// Validate returns an Invalid error that names every field which breaks a rule.
func (g *Game) Validate() error {
	c := check{}
	c.that(visible(g.Name), "name", "Enter the name of the game")
	c.that(runes(g.Name) <= MaxGameName, "name", fmt.Sprintf("Shorten the name to %d characters", MaxGameName))
	c.that(g.Copies >= 1 && g.Copies <= MaxCopies, "copies",
		fmt.Sprintf("Enter how many copies there are, from 1 to %d", MaxCopies))
	c.that(g.MinPlayers >= 1 && g.MinPlayers <= MaxPlayers, "min_players",
		fmt.Sprintf("Enter the fewest players, from 1 to %d", MaxPlayers))
	c.that(g.MaxPlayers >= 1 && g.MaxPlayers <= MaxPlayers, "max_players",
		fmt.Sprintf("Enter the most players, from 1 to %d", MaxPlayers))
	c.that(g.MaxPlayers >= g.MinPlayers, "max_players", "The most players can’t be fewer than the fewest")
	c.that(g.Minutes >= 1 && g.Minutes <= MaxMinutes, "minutes",
		fmt.Sprintf("Enter the playing time in minutes, from 1 to %d", MaxMinutes))
	c.that(runes(g.Shelf) <= MaxShelfNote, "shelf", fmt.Sprintf("Shorten the shelf note to %d characters", MaxShelfNote))
	return c.err()
}

// GameStatus is a game with the state of its queue. The state is computed, never typed.
type GameStatus struct {
	Game
	Reserved int          // customers who play it or wait for it
	Next     *Reservation // who gets the next copy that comes back; nil when nobody waits
}

// Out is how many copies are with customers.
func (g GameStatus) Out() int { return min(g.Reserved, g.Copies) }

// Free is how many copies are on the shelf.
func (g GameStatus) Free() int { return g.Copies - g.Out() }

// Waiting is how many customers wait for a copy.
func (g GameStatus) Waiting() int { return g.Reserved - g.Out() }

// GameSort is a column by which games are listed.
type GameSort string

// The columns by which games can be sorted.
const (
	GamesByName    GameSort = "name"
	GamesByCopies  GameSort = "copies"
	GamesByPlayers GameSort = "players"
	GamesByMinutes GameSort = "minutes"
)

// GameFilter says which games a list shows, in which order. The zero value shows the first page
// of all, by name.
type GameFilter struct {
	Query   string // part of the name
	Players int    // playable by so many; 0 for any
	Minutes int    // takes no longer than so many minutes; 0 for any
	Sort    GameSort
	Desc    bool
	Page    int // 1-based
}
