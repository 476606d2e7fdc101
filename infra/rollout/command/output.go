package command

import (
	"errors"
	"io"
	"sync/atomic"
	"syscall"
)

// output is a standard output whose reader may leave, as with `| head`. What is written after that is dropped, and
// the command goes on.
type output struct {
	w    io.Writer
	left atomic.Bool
}

func (o *output) Write(p []byte) (int, error) {
	if o.gone() {
		return len(p), nil
	}
	n, err := o.w.Write(p)
	if errors.Is(err, syscall.EPIPE) {
		o.left.Store(true)
		return len(p), nil
	}
	return n, err
}

// gone tells whether nobody reads any more.
func (o *output) gone() bool { return o.left.Load() }
