// Where the picture lies on the stage: zoom, pan, fit. Positions on the stage are in CSS pixels; those in the picture
// in pixels, whose centres are at whole numbers plus a half. Pixels that are not square keep their shape.

class Camera {
  constructor() {
    this.picture = { width: 1, height: 1, aspect: 1 };
    this.stage = { width: 1, height: 1 };
    this.fitted = true;
    this.framed = null; // the box that was centred last, until a person zooms or pans
    this.scale = 1;
    this.x = 0;
    this.y = 0;
  }

  // aspect: height of a pixel over its width.
  setPicture(width, height, aspect) {
    const same = this.picture.width === width && this.picture.height === height && this.picture.aspect === aspect;
    this.picture = { width, height, aspect };
    if (!same || this.fitted) this.fit();
  }

  setStage(width, height) {
    const dx = (width - this.stage.width) / 2;
    const dy = (height - this.stage.height) / 2;
    this.stage = { width, height };
    if (this.fitted) this.fit();
    else if (this.framed) this.frame(...this.framed);
    else this.move(dx, dy);
  }

  get scaleX() {
    return this.scale * Math.max(1, 1 / this.picture.aspect);
  }

  get scaleY() {
    return this.scale * Math.max(1, this.picture.aspect);
  }

  fitScale() {
    const { width, height, aspect } = this.picture;
    return Math.min(this.stage.width / (width * Math.max(1, 1 / aspect)), this.stage.height / (height * Math.max(1, aspect)));
  }

  fit() {
    this.scale = this.fitScale();
    this.x = (this.stage.width - this.picture.width * this.scaleX) / 2;
    this.y = (this.stage.height - this.picture.height * this.scaleY) / 2;
    this.fitted = true;
    this.framed = null;
  }

  move(dx, dy) {
    this.x += dx;
    this.y += dy;
    this.fitted = false;
    this.framed = null;
    this.keepInSight();
  }

  zoom(factor, x = this.stage.width / 2, y = this.stage.height / 2) {
    const least = Math.min(this.fitScale(), 1) / 2;
    const wanted = Math.min(Math.max(this.scale * factor, least), 64);
    const change = wanted / this.scale;
    this.scale = wanted;
    this.x = x - (x - this.x) * change;
    this.y = y - (y - this.y) * change;
    this.fitted = false;
    this.framed = null;
    this.keepInSight();
  }

  // Centre a box of the picture, with room around it.
  frame(left, top, right, bottom) {
    const { aspect } = this.picture;
    const [width, height] = [(right - left + 1) * Math.max(1, 1 / aspect), (bottom - top + 1) * Math.max(1, aspect)];
    const room = Math.min(this.stage.width / width, this.stage.height / height) / 3;
    this.scale = Math.min(Math.max(room, this.fitScale()), 12);
    this.x = this.stage.width / 2 - ((left + right + 1) / 2) * this.scaleX;
    this.y = this.stage.height / 2 - ((top + bottom + 1) / 2) * this.scaleY;
    this.fitted = false;
    this.framed = [left, top, right, bottom];
  }

  // A corner of the picture must stay at least this far inside the stage.
  keepInSight() {
    const margin = 40;
    const { width, height } = this.picture;
    this.x = Math.min(Math.max(this.x, margin - width * this.scaleX), this.stage.width - margin);
    this.y = Math.min(Math.max(this.y, margin - height * this.scaleY), this.stage.height - margin);
  }

  toPicture(x, y) {
    return { x: (x - this.x) / this.scaleX, y: (y - this.y) / this.scaleY };
  }

  toStage(x, y) {
    return { x: x * this.scaleX + this.x, y: y * this.scaleY + this.y };
  }

  get key() {
    return [this.scale, this.x, this.y, this.stage.width, this.stage.height].join();
  }
}
