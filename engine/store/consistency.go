package store

import (
	"context"

	"github.com/phyllodb/phyllo/internal/reading"
)

// ReadConsistency returns the level at which a context's reads ask replicas, ""
// for the store's own.
func ReadConsistency(ctx context.Context) string { return reading.From(ctx).Consistency }
