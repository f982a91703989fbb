package optimize

import (
	"math/big"

	"github.com/phyllodb/phyllo/internal/datum"
)

// floorDecimal rounds a finite numeric down; aligned says that it was whole, fits
// that the result is an int64 with room for one more.
func floorDecimal(d datum.Decimal) (floor int64, aligned, fits bool) {
	const most = 1000 // digits; nothing near the range of integers has as many
	if d.Scale > most || d.Scale < -most {
		return 0, false, false
	}
	n := new(big.Int).Set(d.Coeff.MathBigInt())
	if d.Neg {
		n.Neg(n)
	}
	scale := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(d.Scale, -d.Scale))), nil)
	rem := new(big.Int)
	if d.Scale > 0 {
		n.DivMod(n, scale, rem) // Euclidean: rounds down
	} else {
		n.Mul(n, scale)
	}
	if !n.IsInt64() || n.Int64() == 1<<63-1 {
		return 0, false, false
	}
	return n.Int64(), rem.Sign() == 0, true
}
