package testprocess

import (
	"context"
	"fmt"
	"os"
	"testing"
)

// Main runs the tests of a package that need the program, which is built once and
// whose path is put into program first. In the end the calls are made that free
// what tests share. It returns the code to exit with.
func Main(m *testing.M, program *string, ends ...func() error) (code int) {
	path, remove, err := Build(context.Background())
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	*program = path
	code = m.Run()
	for _, end := range append(ends, remove) {
		if err := end(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	return code
}
