import numpy as np
import pytest
from PIL import Image

from minidrop.data import images

RNG = np.random.default_rng(0)


def save(path, shape=(4, 6), **options):
    pixels = RNG.integers(0, 256, shape, dtype=np.uint8)
    path.parent.mkdir(exist_ok=True, parents=True)
    Image.fromarray(pixels).save(path, **options)
    return pixels


def test_one_class_a_subfolder(tmp_path):
    dog = save(tmp_path / "dog" / "b.png")
    cat = [save(tmp_path / "cat" / f"{name}.PNG") for name in "ba"]
    got = images(tmp_path)
    x, y = got
    assert x.dtype == np.uint8 and y.dtype == np.int64
    np.testing.assert_array_equal(x, [cat[1], cat[0], dog])
    assert y.tolist() == [0, 0, 1]
    assert got.classes == ["cat", "dog"] and got.images is x and got.labels is y


def test_colour(tmp_path):
    pixels = save(tmp_path / "a" / "1.png", (4, 6, 3))
    grey = save(tmp_path / "a" / "2.png")
    x, _ = images(tmp_path)
    np.testing.assert_array_equal(x, [pixels, np.repeat(grey[..., None], 3, axis=2)])


def test_transparency_is_dropped(tmp_path):
    pixels = save(tmp_path / "a" / "1.png", (4, 6, 4))
    np.testing.assert_array_equal(images(tmp_path)[0][0], pixels[..., :3])


def test_jpeg(tmp_path):
    save(tmp_path / "a" / "1.jpeg", (8, 8, 3))
    save(tmp_path / "a" / "2.jpg", (8, 8, 3))
    assert images(tmp_path)[0].shape == (2, 8, 8, 3)


def test_sixteen_bit(tmp_path):
    (tmp_path / "a").mkdir()
    deep = np.array([[0, 255], [256, 65535]], dtype=np.uint16)
    Image.fromarray(deep).save(tmp_path / "a" / "1.png")
    assert images(tmp_path)[0].tolist() == [[[0, 0], [1, 255]]]


def test_turned_by_the_camera(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    pixels = save(tmp_path / "a" / "1.png", exif=exif)
    x, _ = images(tmp_path)
    np.testing.assert_array_equal(x[0], np.rot90(pixels, -1))


def test_other_files_are_passed_over(tmp_path):
    save(tmp_path / "a" / "1.png")
    (tmp_path / "a" / "notes.txt").write_text("hello")
    (tmp_path / "a" / ".2.png").write_text("hidden")
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "README").touch()
    assert len(images(tmp_path)[0]) == 1


def test_sizes_differ(tmp_path):
    save(tmp_path / "a" / "1.png", (4, 6))
    save(tmp_path / "b" / "2.png", (4, 7))
    with pytest.raises(ValueError, match=r"2.png: 4 x 7 .*1.png is 4 x 6: pass size="):
        images(tmp_path)
    assert images(tmp_path, size=(5, 3))[0].shape == (2, 5, 3)


def test_no_classes(tmp_path):
    with pytest.raises(ValueError, match="folder must have a subfolder"):
        images(tmp_path)


def test_class_without_pictures(tmp_path):
    save(tmp_path / "a" / "1.png")
    (tmp_path / "b").mkdir()
    with pytest.raises(ValueError, match="b: no picture"):
        images(tmp_path)


def test_no_such_folder(tmp_path):
    with pytest.raises(FileNotFoundError):
        images(tmp_path / "none")


def test_truncated_at_every_length(tmp_path):
    path = tmp_path / "a" / "1.png"
    pixels = save(path)
    content = path.read_bytes()
    for length in range(len(content)):
        path.write_bytes(content[:length])
        try:
            got, _ = images(tmp_path)
        except ValueError as error:
            assert "1.png" in str(error)
        else:  # all pixels are there, only the end mark is not
            np.testing.assert_array_equal(got, [pixels])


def test_huge_picture_is_not_unpacked(tmp_path):
    (tmp_path / "a").mkdir()
    Image.new("1", (9000, 8000)).save(tmp_path / "a" / "1.png")
    with pytest.raises(ValueError, match="1.png: .*9000 x 8000 pixels"):
        images(tmp_path)


@pytest.mark.parametrize("size", [3, (3,), (3, 4, 5), "ab", (2.5, 3)])
def test_size_of_wrong_kind(tmp_path, size):
    save(tmp_path / "a" / "1.png")
    with pytest.raises(TypeError, match="size must be"):
        images(tmp_path, size=size)


@pytest.mark.parametrize("size", [(0, 3), (3, -1), (2**31, 2**31)])
def test_size_out_of_range(tmp_path, size):
    save(tmp_path / "a" / "1.png")
    with pytest.raises(ValueError, match="size must be"):
        images(tmp_path, size=size)


def test_without_pillow(tmp_path, monkeypatch):
    save(tmp_path / "a" / "1.png")
    monkeypatch.setitem(__import__("sys").modules, "PIL", None)
    with pytest.raises(ImportError, match="pip install pillow"):
        images(tmp_path)
