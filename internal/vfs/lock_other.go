//go:build !unix

package vfs

import (
	"errors"
	"fmt"
	"io"
)

// lockFile fails: there is no lock here that surely dies with its process.
func lockFile(name string) (io.Closer, error) {
	return nil, fmt.Errorf("lock %s: %w", name, errors.ErrUnsupported)
}
