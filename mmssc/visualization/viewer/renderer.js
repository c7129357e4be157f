// WebGL 2: meshes of voxels, the floor below them and lines.

import { VERTEX_BYTES } from './mesh.js';

const VOXEL_VERTEX = `#version 300 es
layout(location = 0) in uvec4 cell;
layout(location = 1) in vec4 paint;
uniform mat4 project;
uniform vec3 origin, voxel;
out vec3 color;
out vec2 place;
void main() {
  vec3 corner = vec3(cell.xyz);
  color = paint.rgb;
  place = cell.w == 0u ? corner.yz : cell.w == 1u ? corner.xz : corner.xy;
  gl_Position = project * vec4(origin + voxel * corner, 1);
}`;
// Voxels near the eye have dark edges.
const VOXEL_FRAGMENT = `#version 300 es
precision highp float;
in vec3 color;
in vec2 place;
out vec4 result;
void main() {
  vec2 width = fwidth(place);
  vec2 rim = abs(place - round(place)) / max(width, 1e-6);
  float edge = 1.0 - smoothstep(0.4, 1.4, min(rim.x, rim.y));
  float near = 1.0 - smoothstep(0.12, 0.35, max(width.x, width.y));
  result = vec4(color * (1.0 - 0.3 * edge * near), 1);
}`;
const PLAIN_VERTEX = `#version 300 es
layout(location = 0) in vec3 point;
uniform mat4 project;
void main() { gl_Position = project * vec4(point, 1); }`;
const PLAIN_FRAGMENT = `#version 300 es
precision highp float;
uniform vec3 paint;
out vec4 result;
void main() { result = vec4(paint, 1); }`;

function compile(gl, vertex, fragment) {
  const program = gl.createProgram();
  for (const [kind, source] of [[gl.VERTEX_SHADER, vertex], [gl.FRAGMENT_SHADER, fragment]]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS)) {
    throw new Error(`This browser cannot draw the scene: ${gl.getProgramInfoLog(program)}`);
  }
  return { program, at: (name) => gl.getUniformLocation(program, name) };
}

/** Indices of the two triangles of each of `count` rectangles. */
function triangles(count) {
  const indices = new Uint32Array(6 * count);
  for (let n = 0; n < count; ++n) {
    indices.set([4 * n, 4 * n + 1, 4 * n + 2, 4 * n, 4 * n + 2, 4 * n + 3], 6 * n);
  }
  return indices;
}

export class Renderer {
  /** @param {HTMLCanvasElement} canvas Transparent where nothing is drawn. */
  constructor(canvas) {
    const gl = canvas.getContext('webgl2', { antialias: false });
    if (!gl) throw new Error('This page needs WebGL 2, which this browser does not offer.');
    Object.assign(this, { canvas, gl });
    this.voxels = compile(gl, VOXEL_VERTEX, VOXEL_FRAGMENT);
    this.plain = compile(gl, PLAIN_VERTEX, PLAIN_FRAGMENT);
    this.lines = gl.createVertexArray();
    this.lineBuffer = gl.createBuffer();
    gl.bindVertexArray(this.lines);
    gl.bindBuffer(gl.ARRAY_BUFFER, this.lineBuffer);
    gl.enableVertexAttribArray(0);
    gl.vertexAttribPointer(0, 3, gl.FLOAT, false, 0, 0);
    gl.enable(gl.DEPTH_TEST);
    gl.depthFunc(gl.LEQUAL);
    gl.enable(gl.SCISSOR_TEST);
    gl.polygonOffset(1, 1); // The floor lies behind its border.
  }

  /** Give the graphics card a mesh of buildMesh. */
  upload({ vertices, parts }) {
    const { gl } = this, array = gl.createVertexArray();
    const buffers = [gl.createBuffer(), gl.createBuffer()];
    gl.bindVertexArray(array);
    gl.bindBuffer(gl.ARRAY_BUFFER, buffers[0]);
    gl.bufferData(gl.ARRAY_BUFFER, vertices, gl.STATIC_DRAW);
    gl.enableVertexAttribArray(0);
    gl.vertexAttribIPointer(0, 4, gl.UNSIGNED_SHORT, VERTEX_BYTES, 0);
    gl.enableVertexAttribArray(1);
    gl.vertexAttribPointer(1, 4, gl.UNSIGNED_BYTE, true, VERTEX_BYTES, 8);
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, buffers[1]);
    const indices = triangles(vertices.byteLength / VERTEX_BYTES / 4);
    gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, indices, gl.STATIC_DRAW);
    gl.bindVertexArray(null);
    return { array, buffers, parts };
  }

  remove({ array, buffers }) {
    this.gl.deleteVertexArray(array);
    buffers.forEach((buffer) => this.gl.deleteBuffer(buffer));
  }

  /** Start a picture of `width` x `height` pixels. */
  clear(width, height) {
    const { gl, canvas } = this;
    const isOther = canvas.width !== width || canvas.height !== height;
    if (isOther) Object.assign(canvas, { width, height });
    gl.scissor(0, 0, width, height);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
  }

  /** Draw the next things into a rectangle in pixels, y from the top. */
  enter({ left, top, width, height }) {
    const bottom = this.canvas.height - top - height;
    this.gl.viewport(left, bottom, width, height);
    this.gl.scissor(left, bottom, width, height);
  }

  drawVoxels(mesh, grid, eye, matrix) {
    const { gl, voxels } = this;
    gl.useProgram(voxels.program);
    gl.bindVertexArray(mesh.array);
    gl.uniformMatrix4fv(voxels.at('project'), false, matrix);
    gl.uniform3fv(voxels.at('origin'), grid.origin);
    gl.uniform3fv(voxels.at('voxel'), grid.voxel_size);
    gl.enable(gl.CULL_FACE);
    mesh.parts.forEach(({ first, count, planes }, direction) => {
      const axis = direction >> 1, at = (eye[axis] - grid.origin[axis]) / grid.voxel_size[axis];
      const isSeen = direction & 1 ? at > planes[0] : at < planes[1];
      if (count && isSeen) gl.drawElements(gl.TRIANGLES, 6 * count, gl.UNSIGNED_INT, 24 * first);
    });
    gl.disable(gl.CULL_FACE);
  }

  /** Draw points (flat list of x, y, z): `kind` is TRIANGLE_FAN, LINE_LOOP or LINES. */
  drawPlain(kind, points, color, matrix) {
    const { gl, plain } = this;
    gl.useProgram(plain.program);
    gl.bindVertexArray(this.lines);
    gl.bindBuffer(gl.ARRAY_BUFFER, this.lineBuffer);
    gl.bufferData(gl.ARRAY_BUFFER, new Float32Array(points), gl.DYNAMIC_DRAW);
    gl.uniformMatrix4fv(plain.at('project'), false, matrix);
    gl.uniform3fv(plain.at('paint'), color);
    gl.enable(gl.POLYGON_OFFSET_FILL);
    gl.drawArrays(gl[kind], 0, points.length / 3);
    gl.disable(gl.POLYGON_OFFSET_FILL);
  }
}
