// Command sweep removes the containers, volumes and networks that tests of this checkout left
// behind, for example after a kill. `make test` calls it before and after.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"boardcafe/tests/engine"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	removed, err := engine.Sweep(ctx)
	for _, what := range removed {
		fmt.Fprintln(os.Stderr, "sweep: removed", what)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "sweep:", err)
		os.Exit(1)
	}
}
