package codec

import "github.com/phyllodb/phyllo/internal/recycle"

func init() { recycle.Poison = true }

var usedRoom Room

// cleared returns a room in which all tests before have read, so that readers find in
// it what others left behind.
func cleared() *Room {
	usedRoom.Reset()
	return &usedRoom
}
