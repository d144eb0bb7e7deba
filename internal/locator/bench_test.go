package locator

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// large is a vendor folder with a repository of 2,000 files and 16 MiB, and a package that uses it.
func large(b *testing.B) (vendor, pkg string) {
	b.Helper()
	files := map[string]string{"kurtosis.yml": "name: github.com/dep/large\n"}
	for i := range 2000 {
		files[fmt.Sprintf("src/d%d/e%d/f%d.star", i%20, i%7, i)] = strings.Repeat(fmt.Sprintf("line %d\n", i), 1000)
	}
	vendor = b.TempDir()
	write(b, filepath.Join(vendor, "github.com/dep/large"), files)
	return vendor, write(b, b.TempDir(), map[string]string{"kurtosis.yml": manifestText, "main.star": ""})
}

// BenchmarkImports opens a package and resolves and reads 200 files of a large repository, as an interpretation does.
func BenchmarkImports(b *testing.B) {
	vendor, pkg := large(b)
	b.ReportAllocs()
	for b.Loop() {
		opened := openWith(b, Options{VendorDir: vendor}, pkg, "")
		for i := range 200 {
			read(b, opened, fmt.Sprintf("github.com/dep/large/src/d%d/e%d/f%d.star", i%20, i%7, i))
		}
	}
}

// BenchmarkResolve resolves one locator that was resolved before.
func BenchmarkResolve(b *testing.B) {
	vendor, pkg := large(b)
	opened := openWith(b, Options{VendorDir: vendor}, pkg, "")
	from := mainFile(b, opened)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := opened.Resolve(context.Background(), from, "github.com/dep/large/src/d1/e1/f1.star", Module); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkDigest is what a lock costs for a large repository.
func BenchmarkDigest(b *testing.B) {
	vendor, _ := large(b)
	b.ReportAllocs()
	for b.Loop() {
		t := &tree{directory: filepath.Join(vendor, "github.com/dep/large")}
		if _, err := t.treeDigest(context.Background()); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkFiles lists the files of a large local package, as each plan does.
func BenchmarkFiles(b *testing.B) {
	vendor, _ := large(b)
	b.ReportAllocs()
	for b.Loop() {
		opened := openWith(b, Options{}, filepath.Join(vendor, "github.com/dep/large"), "")
		if files, err := opened.Files(context.Background()); err != nil || len(files) != 2001 {
			b.Fatal(err)
		}
	}
}

// BenchmarkUpload makes a files artifact out of a large repository.
func BenchmarkUpload(b *testing.B) {
	vendor, pkg := large(b)
	opened := openWith(b, Options{VendorDir: vendor}, pkg, "")
	folder, err := opened.Resolve(context.Background(), mainFile(b, opened), "github.com/dep/large/src", Files)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := folder.Tree(context.Background()); err != nil {
			b.Fatal(err)
		}
	}
}
