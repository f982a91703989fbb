package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/phyllodb/phyllo/engine/local"
	"github.com/phyllodb/phyllo/internal/vfs"
)

type inspectCommand struct {
	Dir    string `arg:"" type:"existingdir" help:"Data folder of a server that is not running."`
	Verify bool   `help:"Read everything and check every checksum; ends with an error if something is damaged."`
	Chunks bool   `help:"List the chunks of each segment."`
}

// Run lists the files of a store, and with Verify reads them all.
func (c *inspectCommand) Run(ctx context.Context) (err error) {
	s, err := local.Open(local.Options{FS: vfs.OS{}, Dir: c.Dir})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	files, err := s.Files(ctx)
	if err != nil {
		return err
	}
	if err := c.list(os.Stdout, files); err != nil || !c.Verify {
		return err
	}
	damaged := 0
	if err := s.Verify(ctx, func(err error) {
		damaged++
		fmt.Fprintln(os.Stderr, err)
	}); err != nil {
		return err
	}
	if damaged > 0 {
		return fmt.Errorf("%d files or logs are damaged", damaged)
	}
	fmt.Println("all checksums are right")
	return nil
}

func (c *inspectCommand) list(w io.Writer, files []local.FileInfo) error {
	slices.SortFunc(files, func(a, b local.FileInfo) int { return strings.Compare(a.Name, b.Name) })
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "FILE\tKIND\tBYTES\tLIVE\tTABLE\tCHUNKS")
	var size, live int64
	for _, f := range files {
		table, chunks := "", ""
		if f.Kind == local.SegmentFile {
			table, chunks = fmt.Sprint(f.Partition.Table), fmt.Sprint(len(f.Chunks))
		}
		fmt.Fprintf(t, "%s\t%s\t%d\t%d\t%s\t%s\n", f.Name, f.Kind, f.SizeBytes, f.LiveBytes, table, chunks)
		if c.Chunks {
			for _, id := range f.Chunks {
				fmt.Fprintf(t, "  chunk %v\t\t\t\t\t\n", id)
			}
		}
		size += f.SizeBytes
		live += f.LiveBytes
	}
	fmt.Fprintf(t, "%d files\t\t%d\t%d\t\t\n", len(files), size, live)
	return t.Flush()
}
