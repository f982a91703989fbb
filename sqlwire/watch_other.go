//go:build !unix

package sqlwire

import "net"

// hungUp cannot be told here: the end of a statement tells.
func hungUp(net.Conn) bool { return false }
