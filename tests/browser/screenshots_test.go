//go:build screenshots

package browser_test

import (
	"bytes"
	"context"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"sort"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"boardcafe/tests/engine"
)

// TestScreenshots draws docs/screenshots anew: go test -tags screenshots ./tests/browser. It is no check
// and no part of `make test`. It runs before the tests that change something, as those are parallel.
func TestScreenshots(t *testing.T) {
	v := visit(t, desktop, true)
	v.open("/signin")
	v.shoot("signin")
	v.signIn()
	v.shoot("index")
	v.click("Azul")
	v.shoot("game")
	v.open("/games")
	v.shoot("games")
	v.open("/customers/new")
	v.fill("Table", "0")
	v.clickFor(422, "Reserve")
	v.shoot("form")

	v.open("/games")
	v.click("Edit Pandemic")
	other := v.tab()
	other.open(location(v))
	other.fill("Shelf note", "B2, complete again")
	other.click("Save")
	v.fill("Copies", "2")
	v.clickFor(409, "Save")
	v.shoot("conflict")
	v.open("/games")
	v.click("Delete Azul")
	v.shoot("refused")
}

// shoot keeps the page in light, in dark and on a phone.
func (v *visitor) shoot(name string) {
	v.t.Helper()
	defer v.size(v.screen, 1)
	for _, look := range []struct {
		name, scheme string
		screen       screen
		scale        float64
	}{{"light", "light", desktop, 1}, {"dark", "dark", desktop, 1}, {"phone", "light", screen{390, 844}, 2}} {
		v.size(look.screen, look.scale)
		scheme := emulation.MediaFeature{Name: "prefers-color-scheme", Value: look.scheme}
		media := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{&scheme}}
		if _, err := chromedp.Call(v.ctx, emulation.SetEmulatedMedia, media); err != nil {
			v.t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(v.ctx, patience)
		shot, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
		cancel()
		if err != nil {
			v.t.Fatal(err)
		}
		folder := filepath.Join(engine.Root(), "docs/screenshots")
		if err := os.MkdirAll(folder, 0o755); err != nil {
			v.t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, name+"-"+look.name+".png"), small(v.t, shot), 0o644); err != nil {
			v.t.Fatal(err)
		}
	}
}

// small writes a picture with the 256 colours that it has most of: a third of the bytes, and on
// pages of text nobody sees it.
func small(t *testing.T, shot []byte) []byte {
	t.Helper()
	full, err := png.Decode(bytes.NewReader(shot))
	if err != nil {
		t.Fatal(err)
	}
	bounds := full.Bounds()
	count := map[color.RGBA]int{}
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			count[color.RGBAModel.Convert(full.At(x, y)).(color.RGBA)]++
		}
	}
	var colours []color.RGBA
	for c := range count {
		colours = append(colours, c)
	}
	sort.Slice(colours, func(i, j int) bool { return count[colours[i]] > count[colours[j]] })
	var palette color.Palette
	for _, c := range colours[:min(256, len(colours))] {
		palette = append(palette, c)
	}
	index := map[color.RGBA]uint8{}
	for _, c := range colours {
		index[c] = uint8(palette.Index(c))
	}
	reduced := image.NewPaletted(bounds, palette)
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			reduced.SetColorIndex(x, y, index[color.RGBAModel.Convert(full.At(x, y)).(color.RGBA)])
		}
	}
	var out bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&out, reduced); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
