package testenv

import (
	"context"
	"fmt"
	"os"
	"os/exec"
)

// Curl returns the path of curl, which the examples of the documentation use.
// Root installs Debian's package if need be.
func Curl(ctx context.Context) (string, error) {
	if path, err := exec.LookPath("curl"); err == nil {
		return path, nil
	}
	if os.Getuid() != 0 {
		return "", fmt.Errorf("curl is not installed: apt-get install curl")
	}
	if err := install(ctx, "curl"); err != nil {
		return "", err
	}
	return exec.LookPath("curl")
}
