// Reading and mending of conversations.

export class Talks {
  constructor(page) {
    this.page = page;
    this.talk = null;
    const { $ } = page;
    $("talk").addEventListener("submit", (event) => { event.preventDefault(); this.decide("keep"); });
    $("drop").addEventListener("click", () => this.decide("drop"));
  }

  async next() {
    const { $, say, call, tell } = this.page;
    const answer = await call("/api/talks/next");
    this.left = answer.left;
    this.talk = answer.talk;
    this.translate();
    $("talk").hidden = $("scene").hidden = !this.talk;
    if (!this.talk) return tell(say("no_talks"));
    $("about").textContent = `${this.talk.expressions.join(" / ")}: ${this.talk.description}`;
    $("request").value = this.talk.request;
    $("reply").value = this.talk.reply;
    $("scene").replaceChildren(frameOf(this.talk));
    $("request").focus();
  }

  translate() {
    this.page.$("progress").textContent = this.page.say("left", { left: this.left ?? 0 });
  }

  async decide(verdict) {
    if (!this.talk) return;
    const { $, call, annotator } = this.page;
    const { item, revision } = this.talk;
    const [request, reply] = [$("request").value, $("reply").value];
    await call("/api/talks", { item, revision, annotator: annotator(), verdict, request, reply });
    await this.next();
  }

  key(event) {
    if (!event.ctrlKey || !["Enter", "Delete"].includes(event.key)) return;
    event.preventDefault();
    this.decide(event.key === "Enter" ? "keep" : "drop");
  }
}

// The first frame of the source with the object's outline.
function frameOf(talk) {
  const canvas = document.createElement("canvas");
  const { width, height } = talk.preview;
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d");
  for (const url of [talk.source, talk.outline]) {
    const image = new Image();
    image.src = url;
    image.decode().then(() => context.drawImage(image, 0, 0, width, height, 0, 0, width, height));
  }
  return canvas;
}
