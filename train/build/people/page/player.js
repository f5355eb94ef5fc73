// Plays the pictures of an item in step: one clock, one frame number, any number of canvases.

const FRAMES_A_SECOND = 8;
const ZOOMS = [1, 2, 4];

export class Player {
  constructor() {
    this.tiles = [];
    this.frame = 0;
    this.isPaused = false;
    this.isComparing = false;
    this.zoom = 0;
    this.centre = { x: 0.5, y: 0.5 };
    this.ended = null;
    this.onframe = () => {};
    requestAnimationFrame((now) => this.tick(now));
  }

  // Loads the pictures of an item and resolves when all of them can be drawn.
  async load(item, tiles) {
    this.tiles = [];
    const urls = [...new Set([item.source, item.outline, ...tiles.map((tile) => tile.url)])];
    const pictures = new Map(await Promise.all(urls.map(async (url) => [url, await picture(url)])));
    this.layout = item.preview;
    this.source = pictures.get(item.source);
    this.outline = pictures.get(item.outline);
    this.tiles = tiles.map((tile) => ({ ...tile, picture: pictures.get(tile.url) }));
    this.frame = 0;
    this.centre = middle(this.outline, this.layout);
    for (const { canvas } of this.tiles) {
      canvas.width = this.layout.width;
      canvas.height = this.layout.height;
    }
    this.draw();
  }

  tick(now) {
    requestAnimationFrame((next) => this.tick(next));
    if (this.isPaused || !this.tiles.length || now - (this.last ?? 0) < 1000 / FRAMES_A_SECOND) return;
    this.last = now;
    this.show(this.frame + 1);
  }

  show(number) {
    if (!this.tiles.length) return;
    this.frame = (number + this.layout.frames) % this.layout.frames;
    this.draw();
    this.onframe(this.frame);
  }

  zoomOn() {
    this.zoom = (this.zoom + 1) % ZOOMS.length;
    this.draw();
  }

  // Moves what is shown by shares of the frame.
  pan(x, y) {
    const scale = ZOOMS[this.zoom];
    this.centre.x = Math.min(1, Math.max(0, this.centre.x - x / scale));
    this.centre.y = Math.min(1, Math.max(0, this.centre.y - y / scale));
    this.draw();
  }

  draw() {
    if (!this.tiles.length) return;
    const { width, height, columns } = this.layout;
    const scale = ZOOMS[this.zoom];
    const [w, h] = [width / scale, height / scale];
    const left = Math.min(width - w, Math.max(0, this.centre.x * width - w / 2));
    const top = Math.min(height - h, Math.max(0, this.centre.y * height - h / 2));
    const x = (this.frame % columns) * width + left;
    const y = Math.floor(this.frame / columns) * height + top;
    for (const tile of this.tiles) {
      const context = tile.canvas.getContext("2d");
      const shown = this.isComparing ? this.source : tile.picture;
      context.imageSmoothingEnabled = scale === 1;
      context.drawImage(shown, x, y, w, h, 0, 0, width, height);
      if (tile.isOutlined) context.drawImage(tinted(this, x, y, w, h), 0, 0, width, height);
    }
  }
}

// The outline's part in the page's colour for it.
function tinted(player, x, y, w, h) {
  const { width, height } = player.layout;
  player.ink ??= document.createElement("canvas");
  const ink = player.ink;
  ink.width = width;
  ink.height = height;
  const context = ink.getContext("2d");
  context.drawImage(player.outline, x, y, w, h, 0, 0, width, height);
  context.globalCompositeOperation = "source-in";
  context.fillStyle = getComputedStyle(document.body).getPropertyValue("--outline");
  context.fillRect(0, 0, width, height);
  return ink;
}

async function picture(url) {
  const image = new Image();
  image.src = url;
  await image.decode();
  return image;
}

// Where the outline is in the first frame that has one, as shares of the frame.
function middle(outline, { width, height, columns, frames }) {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  for (let i = 0; i < frames; i++) {
    context.clearRect(0, 0, width, height);
    const [x, y] = [(i % columns) * width, Math.floor(i / columns) * height];
    context.drawImage(outline, x, y, width, height, 0, 0, width, height);
    const pixels = context.getImageData(0, 0, width, height).data;
    let [count, sumX, sumY] = [0, 0, 0];
    for (let p = 0; p < width * height; p++) {
      if (pixels[4 * p + 3] > 0) {
        count += 1;
        sumX += p % width;
        sumY += Math.floor(p / width);
      }
    }
    if (count) return { x: sumX / count / width, y: sumY / count / height };
  }
  return { x: 0.5, y: 0.5 };
}
