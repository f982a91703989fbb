package store

import "context"

type readConsistencyKey struct{}

// WithReadConsistency returns a context whose reads ask replicas as the level
// of that name says, such as LOCAL_ONE. It is for the blobs and logs that a
// query reads; what decides the outcome of a write is read as it has to be. A
// store that has no replicas takes no notice; one that does not know the level
// fails the read.
func WithReadConsistency(ctx context.Context, level string) context.Context {
	return context.WithValue(ctx, readConsistencyKey{}, level)
}

// ReadConsistency returns the level that WithReadConsistency set, "" if none.
func ReadConsistency(ctx context.Context) string {
	level, _ := ctx.Value(readConsistencyKey{}).(string)
	return level
}
