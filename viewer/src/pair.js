// The buttons that show two tyres: each alone, side by side, or one over the other with a border
// that moves. Both are seen by one camera, so that they turn together.

const [CHANGE, NEW, DAMAGED] = [0, 1, 2];
const SAID = {
  change: 'The change on the new tyre',
  new: 'The new tyre',
  damaged: 'The damaged tyre, where the new one is',
  beside: 'Left the new tyre, right the damaged one',
  over: 'Left of the border the new tyre, right of it the damaged one',
};

export function connectPair(stage, place) {
  const buttons = [...place.querySelectorAll('[data-arrange]')];
  if (!buttons.length || stage.tyres.length < 3) return;
  const border = document.getElementById('border');
  const parts = {
    change: () => [{ tyre: CHANGE }],
    new: () => [{ tyre: NEW }],
    damaged: () => [{ tyre: DAMAGED }],
    beside: () => [
      { tyre: NEW, right: 0.5 },
      { tyre: DAMAGED, left: 0.5 },
    ],
    over: () => [
      { tyre: NEW, right: Number(border.value), whole: true },
      { tyre: DAMAGED, left: Number(border.value), whole: true },
    ],
  };
  const arrange = (name) => {
    for (const button of buttons) {
      button.setAttribute('aria-pressed', button.dataset.arrange === name);
    }
    border.disabled = name !== 'over';
    place.dataset.arrange = name;
    stage.arrange(parts[name]());
    document.getElementById('viewer-status').textContent = SAID[name];
  };
  for (const button of buttons) {
    button.addEventListener('click', () => arrange(button.dataset.arrange));
  }
  border.addEventListener('input', () => stage.arrange(parts.over()));
}
